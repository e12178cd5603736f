//! The constant that describes one parameter.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprRange, Type};

use super::{of_macro_at, private, target_span};
use crate::model::{Argument, Default, Limits, Param, ParamKind};
use crate::ty;

/// `static NAME: Param<T> = …;`, or an associated `const`.
pub(super) fn constant(param: &Param, constant: &Ident, is_associated: bool) -> TokenStream {
    let keyword = super::constant_keyword(is_associated);
    let Param { cfgs, ty, kind, .. } = param;
    let span = target_span(ty);
    let private = private(span);
    let ParamKind::Argument(argument) = kind else {
        let decoded = decoded_type(ty);
        return quote_spanned!(span=> #(#cfgs)* #keyword #constant: #private::Param<#decoded> = <#decoded as #private::Parameter>::__TOOL_PARAM;);
    };
    let argument = &**argument;
    let Argument {
        name,
        description,
        default,
        limits,
        aliases,
        ..
    } = argument;
    let name = &name.text;
    let wrapper = wrapper(param, constant);
    let decoded = wrapper
        .as_ref()
        .map_or_else(|| decoded_type(ty), |wrapper| quote!(#wrapper));
    let optional = ty::option_of(ty);
    let missing = match default {
        _ if optional.is_some() => {
            let or = match argument.is_decoded_by_serde_attrs() {
                true => quote_spanned!(span=> or),
                false => quote_spanned!(span=> or_null),
            };
            Some(quote_spanned!(span=> .#or(|| #wrapper(::core::option::Option::None))))
        }
        Some(Default::Expr(default)) => Some(or_default(ty, default, wrapper.as_ref())),
        Some(Default::OfType(span)) => Some(
            quote_spanned!(of_macro_at(*span)=> .or_default(|| #wrapper(::core::default::Default::default()))),
        ),
        None => None,
    };
    let aliases = (!aliases.is_empty()).then(|| quote!(.or_called(&[#(#aliases),*])));
    let limits = limits
        .as_ref()
        .map(|limits| within(ty, limits, wrapper.is_some()));
    // Any part of this that is elsewhere would draw the underline of a missing bound there.
    let new = quote_spanned!(span=> <#decoded as #private::Parameter>::__TOOL_PARAM.described(#name, #description));
    quote_spanned!(span=> #(#cfgs)* #keyword #constant: #private::Param<#decoded> = #new #missing #aliases #limits;)
}

/// The type that carries the attributes of serde and schemars, if the parameter has any.
pub(super) fn wrapper(param: &Param, constant: &Ident) -> Option<Ident> {
    match &param.kind {
        ParamKind::Argument(argument) if !argument.derive_attrs.is_empty() => {
            Some(format_ident!("{constant}_As"))
        }
        _ => None,
    }
}

/// Those attributes belong on a field.
pub(super) fn wrapper_item(param: &Param, constant: &Ident) -> Option<TokenStream> {
    let name = wrapper(param, constant)?;
    let ParamKind::Argument(argument) = &param.kind else {
        return None;
    };
    let private = private(Span::call_site());
    let (cfgs, attrs, ty) = (&param.cfgs, &argument.derive_attrs, decoded_type(&param.ty));
    let [serde, schemars] = ["serde", "schemars"].map(|krate| format!("__tool_private::{krate}"));
    Some(quote! {
        #(#cfgs)*
        #[derive(#private::serde::Deserialize, #private::schemars::JsonSchema)]
        #[serde(crate = #serde, transparent)]
        #[schemars(crate = #schemars, inline)]
        struct #name(#(#attrs)* #ty);
    })
}

/// What is decoded for a parameter of this type: the type itself, or what its references point to.
fn decoded_type(ty: &Type) -> TokenStream {
    let optional = ty::option_of(ty).and_then(ty::reference);
    let Some(reference) = optional.or_else(|| ty::reference(ty)) else {
        return ty::without_elided_lifetimes(ty);
    };
    let span = reference.elem.span();
    let private = private(span);
    let owned = match ty::slice(reference) {
        Some(element) => {
            let element = ty::without_elided_lifetimes(element);
            quote_spanned!(span=> ::std::vec::Vec<#element>)
        }
        None => {
            let target = ty::without_elided_lifetimes(&reference.elem);
            quote_spanned!(span=> <#target as #private::BorrowedParameter>::Owned)
        }
    };
    if optional.is_some() {
        quote_spanned!(span=> ::core::option::Option<#owned>)
    } else {
        owned
    }
}

/// The default has the parameter's own type, so that literals need no suffix and `"text"` will do
/// for `&str`; it will also do for `String`.
fn or_default(ty: &Type, default: &Expr, wrapper: Option<&Ident>) -> TokenStream {
    let span = of_macro_at(default.span());
    let value = match ty::reference(ty) {
        Some(_) => {
            let value = Ident::new("__tool_default", Span::mixed_site().located_at(span));
            quote_spanned!(span=> { let #value: #ty = #default; ::std::borrow::ToOwned::to_owned(#value) })
        }
        None if ty::is_string(ty) && is_text(default) => {
            quote_spanned!(span=> ::std::string::String::from(#default))
        }
        None => quote_spanned!(span=> #default),
    };
    match wrapper {
        // only its type knows how to show it
        Some(wrapper) => quote_spanned!(span=> .or_default(|| #wrapper(#value))),
        None if is_constant(default) => quote_spanned!(span=> .or_constant(|| #value)),
        None => quote_spanned!(span=> .or_default(|| #value)),
    }
}

fn is_text(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(literal) => matches!(literal.lit, syn::Lit::Str(_)),
        Expr::Group(group) => is_text(&group.expr),
        _ => false,
    }
}

/// Whether an expression is a literal or the name of a constant: one the model may be shown, for it
/// never changes.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(_) | Expr::Path(_) => true,
        Expr::Unary(unary) => matches!(unary.op, syn::UnOp::Neg(_)) && is_constant(&unary.expr),
        Expr::Group(group) => is_constant(&group.expr),
        Expr::Paren(paren) => is_constant(&paren.expr),
        _ => false,
    }
}

fn within(ty: &Type, limits: &Limits, is_wrapped: bool) -> TokenStream {
    let (range, check, narrow): (&ExprRange, _, _) = match limits {
        Limits::Range(range) => (range, "check_range", "narrow_range"),
        Limits::Length(range) => (range, "check_length", "narrow_length"),
    };
    let value = Ident::new("__tool_value", Span::mixed_site());
    let optional = ty::option_of(ty);
    let limited = optional.unwrap_or(ty);
    let span = target_span(limited);
    let private = private(span);
    let [check, narrow] = [check, narrow].map(|name| Ident::new(name, span));
    let limited = decoded_type(limited);
    let subject = if is_wrapped {
        quote!(&#value.0)
    } else {
        quote!(#value)
    };
    let present = match optional {
        Some(_) => quote!(::core::option::Option::as_ref(#subject)),
        None => quote!(::core::option::Option::Some(#subject)),
    };
    quote_spanned! {span=>
        .within(|#value| #private::#check::<#limited>(#present, #range), |#value| #private::#narrow::<#limited>(#value, #range))
    }
}
