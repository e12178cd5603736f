//! `tools![…]`: a list of entries to a set.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Token, Type, TypePath};

/// One entry: a tool by the type of its name, under its `#[cfg(…)]`.
struct Entry {
    attrs: Vec<Attribute>,
    ty: Type,
}

/// Input:  `$crate; add, #[cfg(unix)] billing::refund`
/// Output: a block that adds each to a new set, and a constant that compiles only if no name is there twice.
pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let mut tokens = input.into_iter();
    let krate: TokenStream = tokens
        .by_ref()
        .take_while(|token| !matches!(token, TokenTree::Punct(end) if end.as_char() == ';'))
        .collect();
    let entries = entries.parse2(tokens.collect())?;
    let private = quote!(#krate::__private);
    let [set, seen] = ["set", "seen"].map(|name| Ident::new(name, Span::mixed_site()));
    let named = entries.iter().map(|Entry { attrs, ty }| {
        let before = Ident::new("seen", seen.span().located_at(ty.span()));
        let more = quote_spanned!(ty.span()=> #before.and(<#ty as #private::Named>::NAMES));
        quote!(#(#attrs)* let #seen = #more;)
    });
    let added = entries.iter().map(|Entry { attrs, ty }| {
        let add = quote_spanned!(ty.span()=> <#ty as #private::Tools<_>>::add_to);
        quote!(#(#attrs)* #add(&mut #set);)
    });
    let mutability = (!entries.is_empty()).then(|| quote!(mut));
    Ok(quote! {{
        const _: () = {
            let #seen = #private::Seen::NOTHING;
            #(#named)*
            let _ = #seen;
        };
        let #mutability #set = <#krate::ToolSet<_> as ::core::default::Default>::default();
        #(#added)*
        #set
    }})
}

fn entries(input: ParseStream) -> syn::Result<Punctuated<Entry, Token![,]>> {
    Punctuated::parse_terminated_with(input, |input| {
        let attrs = input.call(Attribute::parse_outer)?;
        let start = input.span();
        let ty = input.parse().map_err(|_| {
            syn::Error::new(
                start,
                "list tools by name, as in `tools![add, billing::refund]`",
            )
        })?;
        if let Some((owner, method)) = method_of(&ty) {
            let message = format!(
                "`{method}` is a method: list its type, `tools![{owner}]`, which adds all tools of its `#[toolbox]`"
            );
            return Err(syn::Error::new_spanned(&ty, message));
        }
        if input.peek(syn::token::Paren) {
            return Err(input.error("list the tool, do not call it; remove the parentheses"));
        }
        Ok(Entry { attrs, ty })
    })
}

/// The type and the method of a path like `Db::rows`, by the way both are written: modules begin with
/// a small letter, and types with a capital.
fn method_of(ty: &Type) -> Option<(String, &Ident)> {
    let Type::Path(TypePath {
        qself: None, path, ..
    }) = ty
    else {
        return None;
    };
    let mut segments = path.segments.iter().rev();
    let (method, owner) = (segments.next()?, segments.next()?);
    let is_capital = |name: &Ident| {
        name.to_string()
            .trim_start_matches("r#")
            .starts_with(char::is_uppercase)
    };
    let is_method = is_capital(&owner.ident) && !is_capital(&method.ident);
    let mut path = path.clone();
    path.segments.pop();
    path.segments.pop_punct();
    let owner = path.to_token_stream().to_string().replace(' ', "");
    is_method.then_some((owner, &method.ident))
}
