//! `#[serde(…)]` and `#[schemars(…)]` on a parameter: what concerns the property is read here,
//! the rest is passed on to their derives.

use proc_macro2::Span;
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, ExprLit, ExprPath, Lit, LitStr, Meta, MetaNameValue, Token, parse_quote,
};

use crate::errors::Errors;

/// What the attributes of serde and schemars say of one parameter.
#[derive(Default)]
pub(crate) struct PassedOn {
    pub(crate) rename: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) default: Option<SerdeDefault>,
    /// What their derives are to make of the rest.
    pub(crate) attrs: Vec<Attribute>,
}

/// `#[serde(default)]` or `#[serde(default = "path")]`
pub(crate) enum SerdeDefault {
    OfType(Span),
    Function(ExprPath),
}

impl SerdeDefault {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::OfType(span) => *span,
            Self::Function(path) => path.span(),
        }
    }
}

pub(crate) fn is_passed_on(attr: &Attribute) -> bool {
    attr.path().is_ident("serde") || attr.path().is_ident("schemars")
}

/// Parses all of them.
pub(crate) fn passed_on(attrs: &[Attribute], errors: &mut Errors) -> PassedOn {
    let mut passed = PassedOn::default();
    for attr in attrs.iter().filter(|attr| is_passed_on(attr)) {
        let path = attr.path();
        let metas = match &attr.meta {
            Meta::List(list) => {
                Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone())
            }
            other => Err(syn::Error::new_spanned(
                other,
                "this attribute needs options in parentheses",
            )),
        };
        for meta in errors.keep(metas).into_iter().flatten() {
            let kept = if path.is_ident("serde") {
                passed.serde(&meta)
            } else {
                schemars(&meta)
            };
            if errors.keep(kept) == Some(true) {
                passed.attrs.push(parse_quote!(#[#path(#meta)]));
            }
        }
    }
    passed
}

impl PassedOn {
    /// Whether the derive has a say in this one.
    fn serde(&mut self, meta: &Meta) -> syn::Result<bool> {
        let refuse = |message: &str| Err(syn::Error::new_spanned(meta.path(), message));
        let Some(name) = meta.path().get_ident().map(ToString::to_string) else {
            return Ok(true);
        };
        if name == "rename" && self.rename.is_some() || name == "default" && self.default.is_some()
        {
            return refuse(&format!("`{name}` is given twice; remove one"));
        }
        match (name.as_str(), meta) {
            ("rename", meta) => self.rename = Some(text(meta)?),
            ("alias", meta) => self.aliases.push(text(meta)?),
            ("default", Meta::Path(path)) => self.default = Some(SerdeDefault::OfType(path.span())),
            ("default", meta) => {
                let path = text(meta)?;
                let function = path.parse().map_err(|_| {
                    syn::Error::new(
                        path.span(),
                        "this is not a function's path; write `default = \"path::to::function\"`",
                    )
                })?;
                self.default = Some(SerdeDefault::Function(function));
            }
            ("flatten", _) => {
                return refuse(
                    "a parameter is one property; take the whole object with `#[args]` and flatten inside it",
                );
            }
            ("skip" | "skip_deserializing", _) => {
                return refuse("a parameter that the model does not write is `#[state]`");
            }
            _ => return Ok(true),
        }
        Ok(false)
    }
}

fn schemars(meta: &Meta) -> syn::Result<bool> {
    let refuse = |message: &str| Err(syn::Error::new_spanned(meta.path(), message));
    let name = meta.path().get_ident().map(ToString::to_string);
    match name.as_deref() {
        Some("range" | "length") => refuse(
            "this would be shown to the model and not checked; write it in `#[arg(…)]`, which does both",
        ),
        Some("rename" | "default" | "description") => {
            refuse("the property is described by `#[arg(…)]`; write it there")
        }
        Some("skip" | "flatten") => {
            refuse("a parameter is one property of the schema; remove this")
        }
        _ => Ok(true),
    }
}

fn text(meta: &Meta) -> syn::Result<LitStr> {
    match meta {
        Meta::NameValue(MetaNameValue {
            value:
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }),
            ..
        }) => Ok(text.clone()),
        other => Err(syn::Error::new_spanned(
            other,
            format!(
                "this needs text; write `{} = \"…\"`",
                other.path().to_token_stream()
            ),
        )),
    }
}
