//! Model to tokens. Cannot fail.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Ident, Type};

use crate::attr::TimeoutOption;
use crate::model::{Argument, Param, ParamKind, ToolFn};
use crate::ty;

/// The function as it was, the type of its name, and the registration of it.
pub(crate) fn tool(tool: &ToolFn) -> TokenStream {
    let ToolFn { item, krate, name, description, .. } = tool;
    let private = private(Span::call_site());
    let (name, type_name) = (&name.text, &item.sig.ident);
    let type_item = named_type(&item.vis, type_name);
    let params = tool.arguments().enumerate().map(|(position, (param, argument))| param_static(position, param, argument));
    let param_names = param_names(tool).map(|name| quote_spanned!(name.span()=> &#name));
    let options = options(tool);
    let provides = tool.state_types().map(|ty| {
        let private = self::private(ty.span());
        quote_spanned!(ty.span()=> #private::Provide<#ty> +)
    });
    let run = run(tool);
    let [params_name, set] = ["__TOOL_PARAMS", "__tool_set"].map(|name| Ident::new(name, Span::mixed_site()));
    quote! {
        #item

        #type_item

        #[allow(deprecated)] // our call of a deprecated tool is no use of it
        const _: () = {
            use #krate::__private as #private;

            #(#params)*
            static #params_name: &[&(dyn #private::Describe + ::core::marker::Sync)] = &[#(#param_names),*];

            #[automatically_derived]
            impl #private::Named for #type_name {
                const NAMES: &'static [&'static ::core::primitive::str] = &[#name];
            }

            #[automatically_derived]
            impl<__ToolState> #private::Tools<__ToolState> for #type_name
            where
                __ToolState: #(#provides)* ::core::marker::Send + ::core::marker::Sync + 'static,
            {
                fn add_to(#set: &mut #private::ToolSet<__ToolState>) {
                    #private::declare(#set, #private::Declaration::new(#name, #description, #params_name) #options, #run);
                }
            }
        };
    }
}

/// The root of every path in generated code, written at `span` so that rustc underlines what stands there.
fn private(span: Span) -> Ident {
    Ident::new("__tool_private", span)
}

/// A braced struct takes the name in the type namespace only: the function keeps it in the other.
pub(crate) fn named_type(vis: &syn::Visibility, name: &Ident) -> TokenStream {
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, unreachable_pub)] // named for the function, and never constructed
        #vis struct #name {}
    }
}

fn options(tool: &ToolFn) -> TokenStream {
    let private = private(Span::call_site());
    let timeout = tool.timeout.map(|timeout| match timeout {
        TimeoutOption::Never => quote!(.timeout(#private::Timeout::Never)),
        TimeoutOption::After(limit) => {
            let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            quote!(.timeout(#private::Timeout::After(::core::time::Duration::from_millis(#millis))))
        }
    });
    let read_only = tool.read_only.then(|| quote!(.read_only()));
    quote!(#timeout #read_only)
}

/// The static of one parameter; every mention of it is a place where rustc may find a bound missing.
fn param_name(position: usize, ty: &Type) -> Ident {
    format_ident!("__TOOL_PARAM_{position}", span = Span::mixed_site().located_at(target_span(ty)))
}

/// Where the type is written, behind its `&`.
fn target_span(ty: &Type) -> Span {
    ty::reference(ty).map_or_else(|| ty.span(), |reference| reference.elem.span())
}

fn param_names(tool: &ToolFn) -> impl Iterator<Item = Ident> {
    tool.arguments().enumerate().map(|(position, (param, _))| param_name(position, &param.ty))
}

fn param_static(position: usize, param: &Param, argument: &Argument) -> TokenStream {
    let Argument { name, description, default, range } = argument;
    let (ident, ty, name) = (param_name(position, &param.ty), decoded_type(&param.ty), &name.text);
    let span = target_span(&param.ty);
    let private = private(span);
    let optional = ty::option_of(&param.ty);
    let missing = match default {
        Some(default) => or_default(&param.ty, default),
        None if optional.is_some() => quote!(.or(|| ::core::option::Option::None)),
        None => quote!(),
    };
    let range = range.as_ref().map(|range| {
        let value = Ident::new("__tool_value", Span::mixed_site());
        let number = optional.unwrap_or(&param.ty);
        let number = ty::reference(number).map_or(number, |reference| &reference.elem);
        let present = match optional {
            Some(_) => quote!(::core::option::Option::as_ref(#value)),
            None => quote!(::core::option::Option::Some(#value)),
        };
        let private = self::private(number.span());
        quote_spanned! {number.span()=>
            .within(|#value| #private::check_range::<#number>(#present, #range), |#value| #private::narrow_range::<#number>(#value, #range))
        }
    });
    // Any part of this that stands elsewhere would draw the underline of a missing bound there.
    let new = quote_spanned!(span=> #private::Param::new(#name, #description));
    quote_spanned! {span=>
        static #ident: #private::Param<#ty> = #new #missing #range;
    }
}

/// What is decoded for a parameter of this type: the type itself, or what its references point to.
fn decoded_type(ty: &Type) -> TokenStream {
    let optional = ty::option_of(ty).and_then(ty::reference);
    let Some(reference) = optional.or_else(|| ty::reference(ty)) else { return quote!(#ty) };
    let (target, span) = (&reference.elem, reference.elem.span());
    let private = private(span);
    let owned = quote_spanned!(span=> <#target as #private::Lend>::Owned);
    if optional.is_some() { quote_spanned!(span=> ::core::option::Option<#owned>) } else { owned }
}

/// The default has the parameter's own type, so that literals need no suffix and `"text"` will do for `&str`; it will also do
/// for `String`.
fn or_default(ty: &Type, default: &Expr) -> TokenStream {
    let span = default.span();
    let value = match ty::reference(ty) {
        Some(_) => {
            let value = Ident::new("__tool_default", Span::mixed_site().located_at(span));
            quote_spanned!(span=> { let #value: #ty = #default; ::std::borrow::ToOwned::to_owned(#value) })
        }
        None if ty::is_string(ty) && is_text(default) => quote_spanned!(span=> ::std::string::String::from(#default)),
        None => quote_spanned!(span=> #default),
    };
    let set = Ident::new(if is_constant(default) { "or_constant" } else { "or_default" }, span);
    quote_spanned!(span=> .#set(|| #value))
}

fn is_text(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(literal) => matches!(literal.lit, syn::Lit::Str(_)),
        Expr::Group(group) => is_text(&group.expr),
        _ => false,
    }
}

/// Whether an expression is a literal or the name of a constant: one the model may be shown, for it never changes.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(_) | Expr::Path(_) => true,
        Expr::Unary(unary) => matches!(unary.op, syn::UnOp::Neg(_)) && is_constant(&unary.expr),
        Expr::Group(group) => is_constant(&group.expr),
        Expr::Paren(paren) => is_constant(&paren.expr),
        _ => false,
    }
}

/// The closure that runs one call: decode, call, finish.
fn run(tool: &ToolFn) -> TokenStream {
    let site = Span::mixed_site();
    let [call, arguments, state] = ["call", "arguments", "state"].map(|name| Ident::new(&format!("__tool_{name}"), site));
    let function = &tool.item.sig.ident;
    // Named where its type is written: rustc may find a bound missing wherever a value of the type stands.
    let value = |(position, (param, _)): (usize, (&Param, _))| {
        format_ident!("__tool_value_{position}", span = site.located_at(target_span(&param.ty)))
    };
    let values: Vec<Ident> = tool.arguments().enumerate().map(value).collect();
    let refuse = quote!(return ::core::result::Result::Err(#arguments.into_error()););
    let taken = values
        .iter()
        .zip(param_names(tool))
        .enumerate()
        .map(|(position, (value, name))| quote_spanned!(value.span()=> let #value = #arguments.take(#position, &#name);));
    let unwrapped =
        values.iter().map(|value| quote_spanned!(value.span()=> let ::core::option::Option::Some(#value) = #value else { #refuse };));
    let mutability = (!values.is_empty()).then(|| quote!(mut));
    let decode = quote! {
        let #mutability #arguments = #call.arguments();
        #(#taken)*
        if !#arguments.is_ok() { #refuse }
        #(#unwrapped)*
        ::core::mem::drop(#arguments);
    };
    let mut decoded = values.iter();
    let inputs = tool.params.iter().map(|param| match &param.kind {
        ParamKind::State => state_input(&state, &param.ty),
        ParamKind::Argument(_) => decoded.next().map(|value| argument_input(value, &param.ty)).unwrap_or_default(),
    });
    let invoke = quote!(#function(#(#inputs),*));
    // A return type that does not serialise is underlined where it is written.
    let output_span = match &tool.item.sig.output {
        syn::ReturnType::Type(_, ty) => ty.span(),
        syn::ReturnType::Default => function.span(),
    };
    let private = private(output_span);
    let output = Ident::new("__tool_output", output_span);
    let finish = quote_spanned! {output_span=>
        #[allow(unused_imports)] // which of them applies depends on the return type
        use #private::{BoxFailure as _, DisplayFailure as _, PlainOutput as _};
        #private::probe(&#output).kind().finish(#output)
    };
    let uses_state = tool.state_types().next().is_some();
    let body = if tool.is_async() {
        let state = uses_state.then(|| quote!(let #state = #call.state();));
        quote!(#decode #state let #output = #invoke.await; #finish)
    } else {
        let state = if uses_state { quote!(#state: &__ToolState) } else { quote!(_) };
        quote!(#decode #call.blocking(move |#state| { let #output = #invoke; #finish }).await)
    };
    // A future that cannot be sent is underlined at `async`, or at `impl Future`.
    let async_span = tool.item.sig.asyncness.map_or(output_span, |asyncness| asyncness.span);
    let boxed = quote_spanned!(async_span=> ::std::boxed::Box::pin(async move { #body }));
    quote!(|#call| #boxed)
}

fn state_input(state: &Ident, ty: &Type) -> TokenStream {
    let span = ty.span();
    let private = private(span);
    match ty::reference(ty) {
        Some(reference) => {
            let target = &reference.elem;
            quote_spanned!(span=> #private::Provide::<#target>::provide(#state))
        }
        None => quote_spanned!(span=> ::core::clone::Clone::clone(#private::Provide::<#ty>::provide(#state))),
    }
}

fn argument_input(value: &Ident, ty: &Type) -> TokenStream {
    let private = private(ty.span());
    let optional = ty::option_of(ty).and_then(ty::reference);
    match (optional, ty::reference(ty)) {
        (Some(reference), _) => {
            let target = &reference.elem;
            quote_spanned!(target.span()=> ::core::option::Option::map(::core::option::Option::as_ref(&#value), <#target as #private::Lend>::lend))
        }
        (None, Some(reference)) => {
            let target = &reference.elem;
            quote_spanned!(target.span()=> <#target as #private::Lend>::lend(&#value))
        }
        (None, None) => quote!(#value),
    }
}
