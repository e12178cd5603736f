//! What is emitted beside errors: the function or the block, so that callers and the editor do not
//! see a second, false one.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Generics, ItemFn, ItemImpl, Path};

use crate::errors::Errors;
use crate::{attr, expand, model, validate};

/// The cleaned function, and a type of its name that `tools![…]` accepts and that adds nothing.
pub(crate) fn tool(options: TokenStream, mut item: ItemFn) -> TokenStream {
    let options = attr::tool_options(options, &mut Errors::default());
    let ty = options.type_name().unwrap_or(&item.sig.ident).clone();
    model::without_helpers(&mut item.sig);
    if item.sig.receiver().is_some() || validate::hidden_crate(&item, &ty).is_some() {
        return quote!(#item); // no type may be beside it
    }
    let type_item = expand::named_type(&item.vis, &ty);
    let empty = adds_nothing(&ty, &Generics::default(), &options.krate());
    quote!(#item #type_item #empty)
}

/// The cleaned block, whose type `tools![…]` accepts.
pub(crate) fn toolbox(options: TokenStream, item: ItemImpl) -> TokenStream {
    let item = crate::toolbox::without_attributes(item);
    let empty = item.trait_.is_none().then(|| {
        adds_nothing(
            &item.self_ty,
            &item.generics,
            &attr::crate_option(options, &mut Errors::default()),
        )
    });
    quote!(#item #empty)
}

fn adds_nothing(ty: &impl ToTokens, generics: &Generics, krate: &Path) -> TokenStream {
    let (of_type, _, where_clause) = generics.split_for_impl();
    let mut of_state = generics.clone();
    of_state.params.push(syn::parse_quote!(__ToolState));
    let (of_state, ..) = of_state.split_for_impl();
    quote! {
        impl #of_type #krate::__private::Named for #ty #where_clause {
            const NAMES: &'static [&'static ::core::primitive::str] = &[];
        }
        impl #of_state #krate::__private::Tools<__ToolState> for #ty #where_clause {
            fn add_to(_: &mut #krate::ToolSet<__ToolState>) {}
        }
    }
}
