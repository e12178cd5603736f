//! `#[tool(linked)]`: the entry that `ToolSet::linked` finds at run time.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Index, Type};

use super::private;
use crate::model::ToolFn;

/// What the tool asks of the state, as a type of its own, since the program's is not known here;
/// and how to fill it.
pub(super) fn entry(tool: &ToolFn, ty: &Ident) -> TokenStream {
    let private = private(Span::call_site());
    let name = &tool.name.text;
    let mut seen = HashSet::new();
    let types: Vec<&Type> = tool
        .state_types()
        .filter(|ty| seen.insert(ty.to_token_stream().to_string()))
        .collect();
    let provides = types.iter().enumerate().map(|(position, ty)| {
        let (private, field) = (self::private(ty.span()), Index::from(position));
        quote_spanned! {ty.span()=>
            #[automatically_derived]
            impl #private::ProvideState<#ty> for __ToolStates {
                fn provide(&self) -> &#private::Borrowed<#ty> {
                    &*self.#field
                }
            }
        }
    });
    let [states, state] =
        ["__tool_states", "__tool_state"].map(|name| Ident::new(name, Span::mixed_site()));
    let names: Vec<Ident> = (0..types.len())
        .map(|position| format_ident!("{state}_{position}", span = state.span()))
        .collect();
    let found = types
        .iter()
        .map(|ty| quote_spanned!(ty.span()=> #states.find::<#ty>()));
    let missing = (!types.is_empty())
        .then(|| quote!((#(#names,)*) => ::core::result::Result::Err(#private::missing([#(::core::result::Result::err(#names)),*])),));
    quote! {
        struct __ToolStates(#(::std::sync::Arc<#types>),*);

        #(#provides)*

        #private::link! {
            #name,
            |#states: &#private::States| match (#(#found,)*) {
                (#(::core::result::Result::Ok(#names),)*) => {
                    ::core::result::Result::Ok(#private::linked::<#ty, __ToolStates>(__ToolStates(#(#names),*)))
                }
                #missing
            }
        }
    }
}
