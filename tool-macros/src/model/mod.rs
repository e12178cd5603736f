//! What the user declared, with the syntax each fact came from. Holds no tokens to emit.

mod argument;

pub(crate) use argument::{Argument, Default, Limits};

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, LitStr, Pat, PatType, Receiver, ReceiverKind, Signature, Type};

use crate::attr::{self, ToolOptions};
use crate::doc::Doc;
use crate::errors::Errors;
use crate::ty;

/// One function or method with `#[tool]`.
pub(crate) struct ToolFn {
    /// The `#[cfg(…)]`s it is there under: those of a function are decided before, those of a
    /// method are not.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) sig: Signature,
    /// The type whose method it is.
    pub(crate) owner: Option<Type>,
    pub(crate) name: Name,
    pub(crate) description: Doc,
    pub(crate) options: ToolOptions,
    pub(crate) params: Vec<Param>,
    /// Whether an option was refused: one that seems to be missing may be there, and wrong.
    pub(crate) has_refused_option: bool,
}

/// A name on the wire, and where it was written.
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Name {
    fn from_ident(ident: &Ident) -> Self {
        Self {
            text: ident.unraw().to_string(),
            span: ident.span(),
        }
    }

    fn from_literal(literal: &LitStr) -> Self {
        Self {
            text: literal.value(),
            span: literal.span(),
        }
    }
}

/// One parameter of the function.
pub(crate) struct Param {
    /// The `#[cfg(…)]`s it is there under.
    pub(crate) cfgs: Vec<Attribute>,
    /// Its name in the function, if it has one.
    pub(crate) ident: Option<Ident>,
    pub(crate) ty: Type,
    pub(crate) kind: ParamKind,
}

pub(crate) enum ParamKind {
    /// Borrowed from the program's state, or a clone of it; `self` is one.
    State,
    /// What the call knows of itself.
    Context,
    /// Written by the model: one property.
    Argument(Box<Argument>),
    /// Written by the model: the whole object.
    Whole,
}

impl ToolFn {
    /// Whether a call is a future, declared as such or as `impl Future`.
    pub(crate) fn is_async(&self) -> bool {
        self.sig.asyncness.is_some() || ty::is_impl_future(&self.sig.output)
    }

    /// The properties among the parameters, in order.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&Param, &Argument)> {
        self.params.iter().filter_map(|param| match &param.kind {
            ParamKind::Argument(argument) => Some((param, &**argument)),
            _ => None,
        })
    }

    /// The types asked of the state, once for each parameter.
    pub(crate) fn state_types(&self) -> impl Iterator<Item = &Type> {
        self.params
            .iter()
            .filter(|param| matches!(param.kind, ParamKind::State))
            .map(|param| match ty::reference(&param.ty) {
                Some(reference) => &*reference.elem,
                None => &param.ty,
            })
    }

    /// Lowers a function, or a method of `owner`, and its options, without what is refused.
    pub(crate) fn from_syn(
        options: TokenStream,
        sig: &Signature,
        attrs: &[Attribute],
        owner: Option<&Type>,
        errors: &mut Errors,
    ) -> Self {
        let mut refused = Errors::default();
        let options = attr::tool_options(options, &mut refused);
        let has_refused_option = errors.keep(refused.finish(())).is_none();
        let params = sig.inputs.iter().filter_map(|input| match (input, owner) {
            (FnArg::Receiver(receiver), Some(_)) => Param::from_receiver(receiver, errors),
            (FnArg::Receiver(receiver), None) => {
                let message = "a `#[tool]` method needs `#[toolbox]` on its `impl` block; or share data with a `#[state]` parameter";
                errors.push(syn::Error::new(receiver.self_token.span, message));
                None
            }
            (FnArg::Typed(input), owner) => Param::from_syn(input, owner, errors),
        });
        Self {
            params: params.collect(),
            has_refused_option,
            cfgs: cfgs(attrs),
            sig: sig.clone(),
            owner: owner.cloned(),
            name: options
                .name
                .as_ref()
                .map_or_else(|| Name::from_ident(&sig.ident), Name::from_literal),
            description: options
                .description
                .clone()
                .map_or_else(|| Doc::from_attrs(attrs), Doc::from_expr),
            options,
        }
    }
}

impl Param {
    /// A method's `&self` is state of its type.
    fn from_receiver(receiver: &Receiver, errors: &mut Errors) -> Option<Self> {
        let span = receiver.self_token.span;
        let mut refuse = |span, message| errors.push(syn::Error::new(span, message));
        match &receiver.kind {
            ReceiverKind::Reference(_, _, None) => {
                let ty = syn::parse_quote_spanned!(span=> &Self);
                return Some(Self {
                    cfgs: Vec::new(),
                    ident: None,
                    ty,
                    kind: ParamKind::State,
                });
            }
            ReceiverKind::Reference(_, _, Some(mutability)) => {
                refuse(
                    mutability.span,
                    "calls run at once and share the object; take `&self`, and put a lock inside what changes",
                );
            }
            _ => refuse(span, "calls run at once and share the object; take `&self`"),
        }
        None
    }

    fn from_syn(input: &PatType, owner: Option<&Type>, errors: &mut Errors) -> Option<Self> {
        let outside = owner.map(|owner| outside(input, owner));
        let input = outside.as_ref().unwrap_or(input);
        check_conditional(input, errors);
        let ty = (*input.ty).clone();
        let ident = match &*input.pat {
            Pat::Ident(pat) if pat.subpat.is_none() => Some(pat.ident.clone()),
            _ => None,
        };
        let marks: Vec<&Attribute> = input
            .attrs
            .iter()
            .filter(|attr| mark(attr).is_some())
            .collect();
        let kind = match marks.as_slice() {
            [] => ParamKind::Argument(Box::new(Argument::from_syn(
                input,
                owner,
                ident.as_ref(),
                errors,
            )?)),
            [first, more @ ..] => {
                check_mark(first, more, input, errors);
                mark(first)?
            }
        };
        Some(Self {
            cfgs: cfgs(&input.attrs),
            ident,
            ty,
            kind,
        })
    }
}

fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .cloned()
        .collect()
}

/// What an attribute makes of a parameter, if it is not a property.
fn mark(attr: &Attribute) -> Option<ParamKind> {
    match attr.path().get_ident()?.to_string().as_str() {
        "state" => Some(ParamKind::State),
        "context" => Some(ParamKind::Context),
        "args" => Some(ParamKind::Whole),
        _ => None,
    }
}

fn check_mark(mark: &Attribute, more: &[&Attribute], input: &PatType, errors: &mut Errors) {
    let name = mark.path().to_token_stream();
    if !matches!(mark.meta, syn::Meta::Path(_)) {
        errors.push(syn::Error::new_spanned(
            &mark.meta,
            format!("`{name}` takes no options; write `#[{name}]`"),
        ));
    }
    for other in more {
        errors.push(syn::Error::new_spanned(
            other.path(),
            format!("the parameter is `#[{name}]` already; remove one"),
        ));
    }
    let fix = if mark.path().is_ident("args") {
        "the properties are described in its type"
    } else {
        "the model never sees it"
    };
    for attr in input
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("arg") || attr::is_passed_on(attr))
    {
        let message = format!("a `#[{name}]` parameter is not a property, {fix}; remove this");
        errors.push(syn::Error::new_spanned(attr.path(), message));
    }
}

/// Attributes inside `cfg_attr` are not known before the macro has done its work.
fn check_conditional(input: &PatType, errors: &mut Errors) {
    for helper in input.attrs.iter().filter_map(conditional_helper) {
        let message = format!(
            "`{helper}` cannot depend on a condition; write the parameter twice, each under its `#[cfg(…)]`"
        );
        errors.push(syn::Error::new(helper.span(), message));
    }
}

/// The attribute of ours inside a `cfg_attr`.
fn conditional_helper(attr: &Attribute) -> Option<Ident> {
    let syn::Meta::List(list) = &attr.meta else {
        return None;
    };
    let is_helper = |ident: &Ident| HELPERS.iter().any(|helper| ident == helper);
    let tokens = attr
        .path()
        .is_ident("cfg_attr")
        .then(|| list.tokens.clone())?
        .into_iter();
    let mut attributes = tokens
        // the condition
        .skip_while(|token| !matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','));
    attributes.find_map(|token| {
        if let TokenTree::Ident(ident) = token {
            Some(ident).filter(is_helper)
        } else {
            None
        }
    })
}

/// The attributes on parameters that are ours to read.
const HELPERS: [&str; 7] = [
    "arg", "args", "context", "doc", "schemars", "serde", "state",
];

/// The function as it is emitted: rustc refuses docs and our attributes on parameters, so they are
/// read and then dropped.
pub(crate) fn without_helpers(sig: &mut Signature) {
    for input in &mut sig.inputs {
        if let FnArg::Typed(input) = input {
            let is_helper =
                |attr: &Attribute| HELPERS.iter().any(|helper| attr.path().is_ident(helper));
            input
                .attrs
                .retain(|attr| !is_helper(attr) && conditional_helper(attr).is_none());
        }
    }
}

/// A parameter as it would be written outside of the `impl` block.
fn outside(input: &PatType, owner: &Type) -> PatType {
    match syn::parse2(named(input.to_token_stream(), owner)) {
        Ok(FnArg::Typed(outside)) => outside,
        _ => input.clone(),
    }
}

/// Tokens outside an `impl` block that say what these say inside it: its type in place of `Self`.
fn named(tokens: TokenStream, owner: &Type) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut named = TokenStream::new();
    while let Some(token) = tokens.next() {
        let is_prefix =
            matches!(tokens.peek(), Some(TokenTree::Punct(colon)) if colon.as_char() == ':');
        named.extend(match token {
            TokenTree::Ident(ident) if ident == "Self" && is_prefix => {
                quote_spanned!(ident.span()=> <#owner>)
            }
            TokenTree::Ident(ident) if ident == "Self" => quote_spanned!(ident.span()=> #owner),
            TokenTree::Group(group) => {
                let mut inner =
                    proc_macro2::Group::new(group.delimiter(), self::named(group.stream(), owner));
                inner.set_span(group.span());
                TokenTree::Group(inner).into()
            }
            other => other.into(),
        });
    }
    named
}

/// A type as a person would write it, near enough for a message.
pub(crate) fn compact(ty: &impl ToTokens) -> String {
    let spaced = ty.to_token_stream().to_string();
    spaced
        .replace(" < ", "<")
        .replace("< ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
        .replace(" :: ", "::")
        .replace("& ", "&")
}
