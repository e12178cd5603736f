//! What the user declared, with the syntax each fact came from. Holds no tokens to emit.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Expr, ExprRange, FnArg, Ident, ItemFn, Pat, PatType, Path, Type};

use crate::attr::{self, TimeoutOption};
use crate::doc::{self, Doc};
use crate::errors::Errors;
use crate::ty;

/// One function with `#[tool]`.
pub(crate) struct ToolFn {
    /// The function as it is emitted: without helper attributes.
    pub(crate) item: ItemFn,
    pub(crate) krate: Path,
    pub(crate) name: Name,
    pub(crate) description: Doc,
    pub(crate) timeout: Option<TimeoutOption>,
    pub(crate) read_only: bool,
    pub(crate) params: Vec<Param>,
}

/// A name on the wire, and where it was written.
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: proc_macro2::Span,
}

impl Name {
    fn from_ident(ident: &Ident) -> Self {
        Self { text: ident.unraw().to_string(), span: ident.span() }
    }

    fn from_literal(literal: &syn::LitStr) -> Self {
        Self { text: literal.value(), span: literal.span() }
    }
}

/// One parameter of the function.
pub(crate) struct Param {
    pub(crate) ty: Type,
    pub(crate) kind: ParamKind,
}

pub(crate) enum ParamKind {
    /// Borrowed from the program's state, or a clone of it.
    State,
    /// Written by the model.
    Argument(Box<Argument>),
}

pub(crate) struct Argument {
    pub(crate) name: Name,
    pub(crate) description: Doc,
    pub(crate) default: Option<Expr>,
    pub(crate) range: Option<ExprRange>,
}

impl ToolFn {
    pub(crate) fn is_async(&self) -> bool {
        self.item.sig.asyncness.is_some() || ty::is_impl_future(&self.item.sig.output)
    }

    /// The arguments among the parameters, in order.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&Param, &Argument)> {
        self.params.iter().filter_map(|param| match &param.kind {
            ParamKind::Argument(argument) => Some((param, &**argument)),
            ParamKind::State => None,
        })
    }

    /// The types asked of the state, once for each parameter.
    pub(crate) fn state_types(&self) -> impl Iterator<Item = &Type> {
        self.params.iter().filter(|param| matches!(param.kind, ParamKind::State)).map(|param| match ty::reference(&param.ty) {
            Some(reference) => &*reference.elem,
            None => &param.ty,
        })
    }

    /// Lowers the function and its options.
    pub(crate) fn from_syn(options: TokenStream, item: &ItemFn) -> syn::Result<Self> {
        let mut errors = Errors::default();
        let options = attr::tool_options(options, &mut errors);
        let params = item.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Receiver(receiver) => {
                let message = "a `#[tool]` function takes no `self`; share data with a `#[state]` parameter";
                errors.push(syn::Error::new(receiver.self_token.span, message));
                None
            }
            FnArg::Typed(input) => Param::from_syn(input, &mut errors),
        });
        let params = params.collect();
        let tool = Self {
            item: without_helpers(item.clone()),
            krate: options.krate(),
            name: options.name.as_ref().map_or_else(|| Name::from_ident(&item.sig.ident), Name::from_literal),
            description: options.description.map_or_else(|| Doc::from_attrs(&item.attrs), Doc::from_expr),
            timeout: options.timeout,
            read_only: options.read_only,
            params,
        };
        errors.finish(tool)
    }
}

impl Param {
    fn from_syn(input: &PatType, errors: &mut Errors) -> Option<Self> {
        let ty = (*input.ty).clone();
        if input.attrs.iter().any(|attr| attr.path().is_ident("state")) {
            for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("arg")) {
                errors.push(syn::Error::new_spanned(attr.path(), "the model never sees a `#[state]` parameter; remove `arg`"));
            }
            for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("state") && !matches!(attr.meta, syn::Meta::Path(_))) {
                errors.push(syn::Error::new_spanned(&attr.meta, "`state` takes no options; write `#[state]`"));
            }
            return Some(Self { ty, kind: ParamKind::State });
        }
        let mut args = input.attrs.iter().filter(|attr| attr.path().is_ident("arg"));
        let options = args.next().map(|attr| attr::arg_options(attr, errors)).unwrap_or_default();
        for attr in args {
            errors.push(syn::Error::new_spanned(attr.path(), "`arg` is given twice; put all options into one `#[arg(…)]`"));
        }
        let name = match (&options.name, &*input.pat) {
            (Some(name), _) => Name::from_literal(name),
            (None, Pat::Ident(pat)) if pat.subpat.is_none() => Name::from_ident(&pat.ident),
            (None, pat) => {
                let message = format!(
                    "parameter needs a name, which becomes its JSON property; write `point: {}`, or add `#[arg(name = \"point\")]`",
                    compact(&ty)
                );
                errors.push(syn::Error::new_spanned(pat, message));
                return None;
            }
        };
        let description = options.description.map_or_else(|| Doc::from_attrs(&input.attrs), Doc::from_expr);
        let argument = Argument { name, description, default: options.default, range: options.range };
        Some(Self { ty, kind: ParamKind::Argument(Box::new(argument)) })
    }
}

/// The function as it is emitted: rustc refuses docs and our attributes on parameters, so they are read and then dropped.
pub(crate) fn without_helpers(mut item: ItemFn) -> ItemFn {
    for input in &mut item.sig.inputs {
        if let FnArg::Typed(input) = input {
            input.attrs.retain(|attr| !is_helper(attr));
        }
    }
    item
}

fn is_helper(attr: &Attribute) -> bool {
    doc::is_doc(attr) || attr.path().is_ident("arg") || attr.path().is_ident("state")
}

/// A type as a person would write it, near enough for a message.
pub(crate) fn compact(ty: &Type) -> String {
    let spaced = ty.to_token_stream().to_string();
    spaced.replace(" < ", "<").replace("< ", "<").replace(" >", ">").replace(" ,", ",").replace(" :: ", "::").replace("& ", "&")
}
