//! The closure that runs one call: decode, call, finish.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Type};

use super::{Emitted, param, private, target_span};
use crate::model::{Param, ParamKind, ToolFn};
use crate::ty;

pub(super) fn closure(emitted: &Emitted) -> TokenStream {
    let tool = emitted.tool;
    let [call, state, context, format] = ["call", "state", "context", "format"]
        .map(|name| Ident::new(&format!("__tool_{name}"), Span::mixed_site()));
    let decode = decode(emitted, &call);
    let invoke = invoke(emitted, &state, &context);
    // A return type that does not serialise is underlined where it is written.
    let output_span = match &tool.sig.output {
        syn::ReturnType::Type(_, ty) => ty.span(),
        syn::ReturnType::Default => tool.sig.ident.span(),
    };
    let private = private(output_span);
    let output = Ident::new("__tool_output", output_span);
    let finish = quote_spanned!(output_span=> #private::probe(&#output).__tool_kind().__tool_finish(#output, #format));
    let uses_state = tool.state_types().next().is_some();
    let uses_context = tool
        .params
        .iter()
        .any(|param| matches!(param.kind, ParamKind::Context));
    let body = if tool.is_async() || tool.options.inline.is_some() {
        let state = uses_state.then(|| quote!(let #state = #call.__tool_state();));
        let context = uses_context.then(|| quote!(let #context = #call.__tool_context();));
        let wait = tool.is_async().then(|| quote!(.await));
        quote!(#decode #state #context let #format = #call.__tool_output_format(); let #output = #invoke #wait; #finish)
    } else {
        let state = if uses_state {
            quote!(#state: &__ToolState)
        } else {
            quote!(_)
        };
        let context = if uses_context {
            quote!(#context)
        } else {
            quote!(_)
        };
        quote!(#decode let #format = #call.__tool_output_format(); #call.__tool_blocking(move |#state, #context| { let #output = #invoke; #finish }).await)
    };
    // A future that cannot be sent is underlined at `async`, or at `impl Future`.
    let async_span = tool
        .sig
        .asyncness
        .map_or(output_span, |asyncness| asyncness.span);
    let boxed = quote_spanned!(async_span=> ::std::boxed::Box::pin(async move { #body }));
    quote!(|#call| #boxed)
}

/// Named where its type is written: rustc may report a missing bound at any value of the
/// type.
fn value_name(position: usize, param: &Param) -> Ident {
    format_ident!(
        "__tool_value_{position}",
        span = Span::mixed_site().located_at(target_span(&param.ty))
    )
}

/// `let` statements for what the model wrote.
fn decode(emitted: &Emitted, call: &Ident) -> TokenStream {
    let arguments = Ident::new("__tool_arguments", Span::mixed_site());
    let written: Vec<_> = emitted
        .written()
        .enumerate()
        .map(|(position, (param, name))| {
            (
                &param.kind,
                &param.cfgs,
                value_name(position, param),
                emitted.path(&name),
            )
        })
        .collect();
    let whole = written
        .iter()
        .filter(|(kind, ..)| matches!(kind, ParamKind::Whole))
        .map(|(_, cfgs, value, constant)| quote_spanned!(value.span()=> #(#cfgs)* let #value = #call.__tool_whole(&#constant)?;));
    let whole: Vec<TokenStream> = whole.collect();
    if !whole.is_empty() {
        return quote!(#(#whole)*);
    }
    let taken = written.iter().map(|(_, cfgs, value, constant)| {
        let taken =
            quote_spanned!(value.span()=> #(#cfgs)* let #value = #arguments.__tool_take(&#constant););
        match absent(cfgs) {
            Some(absent) => quote!(#taken #absent let #value = ::core::option::Option::Some(());),
            None => taken,
        }
    });
    let values: Vec<&Ident> = written.iter().map(|(_, _, value, _)| value).collect();
    let some = values
        .iter()
        .map(|value| quote_spanned!(value.span()=> ::core::option::Option::Some(#value)));
    let mutability = (!written.is_empty()).then(|| quote!(mut));
    let checked = quote! {
        let #mutability #arguments = #call.__tool_arguments();
        #(#taken)*
        let (true, #(#some,)*) = (#arguments.__tool_is_ok(), #(#values,)*) else {
            return ::core::result::Result::Err(#arguments.__tool_into_error());
        };
    };
    // In a block: what is dropped while the function continues would still have its place in the
    // future.
    match values.is_empty() {
        true => quote!({ #checked }),
        false => quote!(let (#(#values,)*) = { #checked (#(#values,)*) };),
    }
}

/// The condition under which something is not there, if there is any.
fn absent(cfgs: &[Attribute]) -> Option<TokenStream> {
    let conditions = cfgs
        .iter()
        .filter_map(|cfg| cfg.meta.require_list().ok())
        .map(|list| &list.tokens);
    (!cfgs.is_empty()).then(|| quote!(#[cfg(not(all(#(#conditions),*)))]))
}

/// The call of the user's function.
fn invoke(emitted: &Emitted, state: &Ident, context: &Ident) -> TokenStream {
    let ToolFn {
        sig, owner, params, ..
    } = emitted.tool;
    let function = &sig.ident;
    let function = match owner {
        Some(_) => quote!(Self::#function),
        None => quote!(#function),
    };
    let mut decoded = emitted.written().enumerate();
    let inputs = params.iter().map(|param| {
        let cfgs = &param.cfgs;
        let input = match &param.kind {
            ParamKind::State => state_input(state, &param.ty),
            ParamKind::Context => Ident::new(
                &context.to_string(),
                context.span().located_at(param.ty.span()),
            )
            .into_token_stream(),
            ParamKind::Argument(_) | ParamKind::Whole => {
                let value = decoded.next().map(|(position, (param, constant))| {
                    let value = value_name(position, param);
                    if param::wrapper(param, &constant).is_some() {
                        quote!(#value.0)
                    } else {
                        quote!(#value)
                    }
                });
                argument_input(&value.unwrap_or_default(), &param.ty)
            }
        };
        quote!(#(#cfgs)* #input)
    });
    quote!(#function(#(#inputs),*))
}

fn state_input(state: &Ident, ty: &Type) -> TokenStream {
    let span = ty.span();
    let private = private(span);
    match ty::reference(ty) {
        Some(reference) => {
            let target = ty::without_elided_lifetimes(&reference.elem);
            quote_spanned!(span=> #private::ProvideState::<#target>::provide(#state))
        }
        None => {
            quote_spanned!(span=> ::core::clone::Clone::clone(#private::ProvideState::<#ty>::provide(#state)))
        }
    }
}

fn argument_input(value: &TokenStream, ty: &Type) -> TokenStream {
    let private = private(ty.span());
    let optional = ty::option_of(ty).and_then(ty::reference);
    let Some(reference) = optional.or_else(|| ty::reference(ty)) else {
        return value.clone();
    };
    let target = &reference.elem;
    let borrow = match ty::slice(reference) {
        Some(_) => quote_spanned!(target.span()=> ::std::vec::Vec::as_slice),
        None => {
            quote_spanned!(target.span()=> <#target as #private::BorrowedParameter>::__tool_borrow)
        }
    };
    match optional {
        Some(_) => {
            quote_spanned!(target.span()=> ::core::option::Option::map(::core::option::Option::as_ref(&#value), #borrow))
        }
        None => quote_spanned!(target.span()=> #borrow(&#value)),
    }
}
