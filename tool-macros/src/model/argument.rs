//! One parameter that the model supplies.

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprRange, Ident, LitStr, PatType, Type};

use super::{Name, compact, named};
use crate::attr::{self, ArgDefault, ArgOptions, PassedOn, SerdeDefault};
use crate::doc::Doc;
use crate::errors::Errors;

pub(crate) struct Argument {
    pub(crate) name: Name,
    pub(crate) description: Doc,
    pub(crate) default: Option<Default>,
    pub(crate) limits: Option<Limits>,
    pub(crate) aliases: Vec<LitStr>,
    /// For the derives of serde and schemars.
    pub(crate) derive_attrs: Vec<Attribute>,
}

/// What a parameter is when it is left out.
pub(crate) enum Default {
    Expr(Expr),
    /// That of its type.
    OfType(Span),
}

/// What part of its type a parameter admits.
pub(crate) enum Limits {
    Range(ExprRange),
    Length(ExprRange),
}

impl Argument {
    /// Whether an attribute of serde may decide how it is decoded: `null` may then mean anything.
    pub(crate) fn is_decoded_by_serde_attrs(&self) -> bool {
        self.derive_attrs
            .iter()
            .any(|attr| attr.path().is_ident("serde"))
    }

    pub(super) fn from_syn(
        input: &PatType,
        owner: Option<&Type>,
        ident: Option<&Ident>,
        errors: &mut Errors,
    ) -> Option<Self> {
        let mut args = input
            .attrs
            .iter()
            .filter(|attr| attr.path().is_ident("arg"));
        let options = args
            .next()
            .map(|attr| attr::arg_options(attr, errors))
            .unwrap_or_default();
        for attr in args {
            errors.push(syn::Error::new_spanned(
                attr.path(),
                "`arg` is given twice; put all options into one `#[arg(…)]`",
            ));
        }
        let passed = attr::passed_on(&input.attrs, errors);
        check_given_once(&options, &passed, errors);
        let name = match (options.name.as_ref().or(passed.rename.as_ref()), ident) {
            (Some(name), _) => Name::from_literal(name),
            (None, Some(ident)) => Name::from_ident(ident),
            (None, None) => {
                let message = format!(
                    "parameter needs a name, which becomes its JSON property; write `point: {}`, or add `#[arg(name = \"point\")]`",
                    compact(&input.ty)
                );
                errors.push(syn::Error::new_spanned(&input.pat, message));
                return None;
            }
        };
        let limits = limits(options.range, options.length, errors);
        let default = default(options.default, passed.default, owner);
        Some(Self {
            name,
            description: options
                .description
                .map_or_else(|| Doc::from_attrs(&input.attrs), Doc::from_expr),
            default,
            limits,
            aliases: passed.aliases,
            derive_attrs: passed.attrs,
        })
    }
}

/// A name and a default are given by one attribute, not by two.
fn check_given_once(options: &ArgOptions, passed: &PassedOn, errors: &mut Errors) {
    if let (Some(_), Some(rename)) = (&options.name, &passed.rename) {
        errors.push(syn::Error::new(
            rename.span(),
            "`#[arg(name = …)]` names the property already; remove one",
        ));
    }
    if let (Some(_), Some(default)) = (&options.default, &passed.default) {
        errors.push(syn::Error::new(
            default.span(),
            "`#[arg(default = …)]` gives the default already; remove one",
        ));
    }
}

fn limits(
    range: Option<ExprRange>,
    length: Option<ExprRange>,
    errors: &mut Errors,
) -> Option<Limits> {
    match (range, length) {
        (Some(_), Some(length)) => {
            errors.push(syn::Error::new_spanned(
                length,
                "`range` limits numbers and `length` text and lists; remove one",
            ));
            None
        }
        (range, length) => range.map(Limits::Range).or(length.map(Limits::Length)),
    }
}

fn default(
    ours: Option<ArgDefault>,
    serde: Option<SerdeDefault>,
    owner: Option<&Type>,
) -> Option<Default> {
    let ours = ours.map(|default| match default {
        ArgDefault::Expr(expr) => Default::Expr(expr),
        ArgDefault::OfType(span) => Default::OfType(span),
    });
    ours.or(serde.map(|default| match default {
        SerdeDefault::OfType(span) => Default::OfType(span),
        SerdeDefault::Function(path) => {
            let path = owner.map_or_else(
                || path.to_token_stream(),
                |owner| named(path.to_token_stream(), owner),
            );
            Default::Expr(syn::parse_quote_spanned!(path.span()=> #path()))
        }
    }))
}
