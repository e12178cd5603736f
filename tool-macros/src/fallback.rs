//! What is emitted beside errors: the function, so that callers and the editor do not see a second, false one.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemFn;

use crate::errors::Errors;
use crate::{attr, expand, model};

/// The cleaned function, and a type of its name that `tools![…]` accepts and that adds nothing.
pub(crate) fn tool(options: TokenStream, item: ItemFn) -> TokenStream {
    let krate = attr::tool_options(options, &mut Errors::default()).krate();

    let type_item = expand::named_type(&item.vis, &item.sig.ident);
    let (name, item) = (item.sig.ident.clone(), model::without_helpers(item));
    if item.sig.receiver().is_some() {
        return quote!(#item); // a method: no type may stand beside it
    }
    quote! {
        #item
        #type_item
        impl #krate::__private::Named for #name {
            const NAMES: &'static [&'static ::core::primitive::str] = &[];
        }
        impl<__ToolState> #krate::__private::Tools<__ToolState> for #name {
            fn add_to(_: &mut #krate::ToolSet<__ToolState>) {}
        }
    }
}
