//! Model to tokens. Cannot fail.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Ident, Path, Type};

use crate::attr::TimeoutOption;
use crate::model::{Argument, Param, ParamKind, ToolFn};
use crate::ty;

/// The function as it was, the type of its name, and the registration of it.
pub(crate) fn tool(tool: &ToolFn) -> TokenStream {
    let ToolFn { item, krate, name, description, .. } = tool;
    let private = quote!(#krate::__private);
    let (name, type_name) = (&name.text, &item.sig.ident);
    let type_item = named_type(tool_vis(tool), type_name);
    let params = tool.arguments().enumerate().map(|(position, (param, argument))| param_static(&private, position, param, argument));
    let param_names = (0..tool.arguments().count()).map(param_name);
    let options = options(&private, tool);
    let provides = tool.state_types().map(|ty| quote_spanned!(ty.span()=> #krate::Provide<#ty> +));
    let run = run(&private, krate, tool);
    let [params_name, set] = ["__TOOL_PARAMS", "__tool_set"].map(|name| Ident::new(name, Span::mixed_site()));
    quote! {
        #item

        #type_item

        #[allow(deprecated)] // our call of a deprecated tool is no use of it
        const _: () = {
            #(#params)*
            static #params_name: &[&(dyn #private::Describe + ::core::marker::Sync)] = &[#(&#param_names),*];

            #[automatically_derived]
            impl #private::Named for #type_name {
                const NAMES: &'static [&'static ::core::primitive::str] = &[#name];
            }

            #[automatically_derived]
            impl<__ToolState> #private::Tools<__ToolState> for #type_name
            where
                __ToolState: #(#provides)* ::core::marker::Send + ::core::marker::Sync + 'static,
            {
                fn add_to(#set: &mut #krate::ToolSet<__ToolState>) {
                    #private::declare(#set, #private::Declaration::new(#name, #description, #params_name) #options, #run);
                }
            }
        };
    }
}

fn tool_vis(tool: &ToolFn) -> &syn::Visibility {
    &tool.item.vis
}

/// A braced struct takes the name in the type namespace only: the function keeps it in the other.
pub(crate) fn named_type(vis: &syn::Visibility, name: &Ident) -> TokenStream {
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, unreachable_pub)] // named for the function, and never constructed
        #vis struct #name {}
    }
}

fn options(private: &TokenStream, tool: &ToolFn) -> TokenStream {
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

fn param_name(position: usize) -> Ident {
    format_ident!("__TOOL_PARAM_{position}", span = Span::mixed_site())
}

fn param_static(private: &TokenStream, position: usize, param: &Param, argument: &Argument) -> TokenStream {
    let Argument { name, description, default, range } = argument;
    let (ident, ty, name) = (param_name(position), decoded_type(private, &param.ty), &name.text);
    let span = param.ty.span();
    let optional = ty::option_of(&param.ty);
    let missing = match default {
        Some(default) => or_default(private, &param.ty, default),
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
        quote_spanned! {number.span()=>
            .within(|#value| #private::check_range::<#number>(#present, #range), |#value| #private::narrow_range::<#number>(#value, #range))
        }
    });
    let new = quote_spanned!(span=> #private::Param::new);
    quote! {
        static #ident: #private::Param<#ty> = #new(#name, #description) #missing #range;
    }
}

/// What is decoded for a parameter of this type: the type itself, or what its references point to.
fn decoded_type(private: &TokenStream, ty: &Type) -> TokenStream {
    let span = ty.span();
    let inner = ty::option_of(ty);
    match (inner.and_then(ty::reference), ty::reference(ty)) {
        (Some(reference), _) => {
            let target = &reference.elem;
            quote_spanned!(span=> ::core::option::Option<<#target as #private::Lend>::Owned>)
        }
        (None, Some(reference)) => {
            let target = &reference.elem;
            quote_spanned!(span=> <#target as #private::Lend>::Owned)
        }
        (None, None) => quote!(#ty),
    }
}

/// The default has the parameter's own type, so that literals need no suffix and `"text"` will do for `&str`.
fn or_default(private: &TokenStream, ty: &Type, default: &Expr) -> TokenStream {
    let span = default.span();
    let value = match ty::reference(ty) {
        Some(_) => quote_spanned!(span=> { let value: #ty = #default; ::std::borrow::ToOwned::to_owned(value) }),
        None => quote_spanned!(span=> #default),
    };
    let shown = match is_constant(default) {
        true => {
            quote_spanned!(span=> ::core::option::Option::Some(|| { let value: #ty = #default; #private::shown_default(&value) }))
        }
        false => quote!(::core::option::Option::None),
    };
    quote!(.or_default(|| #value, #shown))
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
fn run(private: &TokenStream, krate: &Path, tool: &ToolFn) -> TokenStream {
    let site = Span::mixed_site();
    let [call, arguments, state, output] = ["call", "arguments", "state", "output"].map(|name| Ident::new(&format!("__tool_{name}"), site));
    let function = &tool.item.sig.ident;
    let values: Vec<Ident> = (0..tool.arguments().count()).map(|position| format_ident!("__tool_value_{position}", span = site)).collect();
    let statics: Vec<Ident> = (0..values.len()).map(param_name).collect();
    let positions = 0..values.len();
    let mutability = (!values.is_empty()).then(|| quote!(mut));
    let decode = quote! {
        let (#(#values,)*) = {
            let #mutability #arguments = #call.arguments();
            let (#(::core::option::Option::Some(#values),)* true,) =
                (#(#arguments.take(#positions, &#statics),)* #arguments.is_ok(),)
            else {
                return ::core::result::Result::Err(#arguments.into_error());
            };
            (#(#values,)*)
        };
    };
    let mut decoded = values.iter();
    let inputs = tool.params.iter().map(|param| match &param.kind {
        ParamKind::State => state_input(krate, &state, &param.ty),
        ParamKind::Argument(_) => decoded.next().map(|value| argument_input(private, value, &param.ty)).unwrap_or_default(),
    });
    let invoke = quote!(#function(#(#inputs),*));
    // A return type that does not serialise is underlined where it is written.
    let output_span = match &tool.item.sig.output {
        syn::ReturnType::Type(_, ty) => ty.span(),
        syn::ReturnType::Default => function.span(),
    };
    let finish = quote_spanned!(output_span=> #private::probe(&#output).kind().finish(#output));
    let finish = quote! {
        #[allow(unused_imports)] // which of the two applies depends on the return type
        use #private::{DisplayFailure as _, PlainOutput as _};
        #finish
    };
    let uses_state = tool.state_types().next().is_some();
    let body = if tool.is_async() {
        let state = uses_state.then(|| quote!(let #state = #call.state();));
        quote!(#decode #state let #output = #invoke.await; #finish)
    } else {
        let state = if uses_state { quote!(#state: &__ToolState) } else { quote!(_) };
        quote!(#decode #call.blocking(move |#state| { let #output = #invoke; #finish }).await)
    };
    // A future that cannot be sent is underlined at `async`.
    let async_span = tool.item.sig.asyncness.map_or_else(|| function.span(), |asyncness| asyncness.span);
    let boxed = quote_spanned!(async_span=> ::std::boxed::Box::pin);
    quote!(|#call| #boxed(async move { #body }))
}

fn state_input(krate: &Path, state: &Ident, ty: &Type) -> TokenStream {
    let span = ty.span();
    match ty::reference(ty) {
        Some(reference) => {
            let target = &reference.elem;
            quote_spanned!(span=> #krate::Provide::<#target>::provide(#state))
        }
        None => quote_spanned!(span=> ::core::clone::Clone::clone(#krate::Provide::<#ty>::provide(#state))),
    }
}

fn argument_input(private: &TokenStream, value: &Ident, ty: &Type) -> TokenStream {
    let optional = ty::option_of(ty).and_then(ty::reference);
    match (optional, ty::reference(ty)) {
        (Some(reference), _) => {
            let target = &reference.elem;
            quote!(::core::option::Option::map(::core::option::Option::as_ref(&#value), <#target as #private::Lend>::lend))
        }
        (None, Some(reference)) => {
            let target = &reference.elem;
            quote!(<#target as #private::Lend>::lend(&#value))
        }
        (None, None) => quote!(#value),
    }
}
