//! What is emitted beside errors: the function, so that callers and the editor do not see a second, false one.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemFn;

use crate::{expand, model};

/// The cleaned function, and a type of its name that `tools![…]` accepts and that adds nothing.
pub(crate) fn tool(item: ItemFn) -> TokenStream {
    let type_item = expand::named_type(&item.vis, &item.sig.ident);
    let (name, item) = (item.sig.ident.clone(), model::without_helpers(item));
    if item.sig.receiver().is_some() {
        return quote!(#item); // a method: no type may stand beside it
    }
    quote! {
        #item
        #type_item
        impl ::tool_core::__private::Named for #name {
            const NAMES: &'static [&'static ::core::primitive::str] = &[];
        }
        impl<__ToolState> ::tool_core::__private::Tools<__ToolState> for #name {
            fn add_to(_: &mut ::tool_core::ToolSet<__ToolState>) {}
        }
    }
}
