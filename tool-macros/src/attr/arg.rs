//! `#[arg(…)]`

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Expr, ExprRange, Ident, LitStr, Meta, Token};

use super::option::{description, each_option, flag, list, ungrouped, value};
use crate::errors::Errors;

/// The options of `#[arg(…)]`.
#[derive(Default)]
pub(crate) struct ArgOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) description: Option<Expr>,
    pub(crate) default: Option<ArgDefault>,
    pub(crate) range: Option<ExprRange>,
    pub(crate) length: Option<ExprRange>,
}

/// `default = …`, or `default` alone.
pub(crate) enum ArgDefault {
    Expr(Expr),
    OfType(Span),
}

/// Parses one `#[arg(…)]`.
pub(crate) fn arg_options(attr: &Attribute, errors: &mut Errors) -> ArgOptions {
    let mut options = ArgOptions::default();
    let Meta::List(list) = &attr.meta else {
        errors.push(syn::Error::new_spanned(
            attr,
            "`arg` needs options; write `#[arg(default = 5)]`",
        ));
        return options;
    };
    let keys = ["default", "description", "length", "name", "range"];
    each_option(list.tokens.clone(), &keys, errors, |key, input| {
        match key.unraw().to_string().as_str() {
            "default" if !input.peek(Token![=]) => {
                flag(key, input)?;
                options.default = Some(ArgDefault::OfType(key.span()));
            }
            "default" => {
                let expr = value(key, input, "default = 5", |value| value.parse())?;
                options.default = Some(ArgDefault::Expr(expr));
            }
            "description" => options.description = Some(description(key, input)?),
            "length" => options.length = Some(limits(key, input, "length(1..=100)")?),
            "name" => {
                options.name = Some(value(key, input, "name = \"patient_id\"", |value| {
                    value.parse()
                })?);
            }
            _ => options.range = Some(limits(key, input, "range(1..=50)")?),
        }
        Ok(())
    });
    options
}

fn limits(key: &Ident, input: ParseStream, example: &str) -> syn::Result<ExprRange> {
    let tokens: TokenStream = list(key, input, "its limits", example)?;
    match syn::parse2::<Expr>(tokens.clone()).map(ungrouped) {
        Ok(Expr::Range(range)) if range.start.is_some() || range.end.is_some() => Ok(range),
        _ if tokens.is_empty() => Err(syn::Error::new(
            key.span(),
            format!("`{}` needs its limits; write `{example}`", key.unraw()),
        )),
        _ => Err(syn::Error::new_spanned(
            tokens,
            format!("this is not a range; write `{example}`"),
        )),
    }
}
