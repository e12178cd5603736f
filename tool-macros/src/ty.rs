//! What the spelling of a type shows. The macro sees no more than that: an alias of
//! `Option<T>` is a required parameter, and an alias of `&str` a borrowed one that cannot be.

use std::borrow::Cow;

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    GenericArgument, Path, PathArguments, PathSegment, ReturnType, Type, TypeParamBound, TypePath,
    TypeReference,
};

/// The type behind the invisible group that `macro_rules!` puts round `$t:ty`, and behind
/// parentheses.
pub(crate) fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => other,
    }
}

/// The `T` of `Option<T>`, under any of the paths it is usually written by.
pub(crate) fn option_of(ty: &Type) -> Option<&Type> {
    only_argument(ty, &["option", "Option"])
}

/// The `T` of `Arc<T>`, under any of the paths it is usually written by.
pub(crate) fn arc_of(ty: &Type) -> Option<&Type> {
    only_argument(ty, &["sync", "Arc"])
}

fn only_argument<'t>(ty: &'t Type, name: &[&str; 2]) -> Option<&'t Type> {
    let path = path_ending(ty, name)?;
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}

/// `String`, under any of the paths it is usually written by.
pub(crate) fn is_string(ty: &Type) -> bool {
    path_ending(ty, &["string", "String"]).is_some()
}

/// Whether a type is spelled as one whose JSON is not an object.
pub(crate) fn is_no_object(ty: &Type) -> bool {
    const NAMES: [&str; 18] = [
        "String", "Vec", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize",
        "str", "u8", "u16", "u32", "u64", "usize",
    ];
    match peel(ty) {
        Type::Reference(reference) => is_no_object(&reference.elem),
        Type::Array(_) | Type::Slice(_) | Type::Tuple(_) => true,
        Type::Path(TypePath {
            qself: None, path, ..
        }) => {
            path.segments.len() == 1
                && path
                    .segments
                    .last()
                    .is_some_and(|last| NAMES.iter().any(|name| last.ident == name))
        }
        _ => false,
    }
}

/// `CallContext` or `&CallContext`, under any path.
pub(crate) fn is_call_context(ty: &Type) -> bool {
    match peel(ty) {
        Type::Reference(reference) => is_call_context(&reference.elem),
        Type::Path(TypePath {
            qself: None, path, ..
        }) => path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "CallContext"),
        _ => false,
    }
}

/// The path of a type of the standard library, given its module and name, if it is written as one.
fn path_ending<'t>(ty: &'t Type, name: &[&str; 2]) -> Option<&'t Path> {
    let Type::Path(TypePath {
        qself: None, path, ..
    }) = peel(ty)
    else {
        return None;
    };
    let written: Vec<String> = path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    let known = match written.as_slice() {
        [last] => last == name[1],
        [module, last] => module == name[0] && last == name[1],
        [krate, module, last] => {
            ["std", "core", "alloc"].contains(&krate.as_str())
                && module == name[0]
                && last == name[1]
        }
        _ => false,
    };
    known.then_some(path)
}

/// `&T` or `&mut T`.
pub(crate) fn reference(ty: &Type) -> Option<&TypeReference> {
    match peel(ty) {
        Type::Reference(reference) => Some(reference),
        _ => None,
    }
}

/// What the reference points to a slice of.
pub(crate) fn slice(reference: &TypeReference) -> Option<&Type> {
    match peel(&reference.elem) {
        Type::Slice(slice) => Some(&slice.elem),
        _ => None,
    }
}

/// A reference within a type, as in `Vec<&str>`: not the type itself, nor what it points to.
pub(crate) fn inner_reference(ty: &Type) -> Option<&TypeReference> {
    let found = |ty| reference(ty).or_else(|| inner_reference(ty));
    match peel(ty) {
        Type::Array(array) => found(&array.elem),
        Type::Slice(slice) => found(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(found),
        Type::Reference(reference) => inner_reference(&reference.elem),
        // The reference in `Option<&str>` is borrowed by the function.
        ty if option_of(ty).is_some() => inner_reference(option_of(ty)?),
        Type::Path(path) => {
            let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments
            else {
                return None;
            };
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => found(ty),
                _ => None,
            })
        }
        _ => None,
    }
}

/// The type with `'static` in place of `'_`: what is decoded, or borrowed from the state, borrows
/// from nothing else.
pub(crate) fn without_elided_lifetimes(ty: &Type) -> TokenStream {
    fn each(tokens: TokenStream) -> TokenStream {
        let mut quoted = false;
        let token = |token: TokenTree| {
            let elided = quoted && matches!(&token, TokenTree::Ident(ident) if ident == "_");
            quoted = matches!(&token, TokenTree::Punct(quote) if quote.as_char() == '\'');
            match token {
                TokenTree::Ident(ident) if elided => {
                    TokenTree::Ident(Ident::new("static", ident.span()))
                }
                TokenTree::Group(group) => {
                    let mut inner = Group::new(group.delimiter(), each(group.stream()));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                other => other,
            }
        };
        tokens.into_iter().map(token).collect()
    }
    each(ty.to_token_stream())
}

/// Whether a function declared without `async` returns a future all the same: `-> impl Future<…>`, or
/// one in a box, `-> Pin<Box<dyn Future<…>>>`.
pub(crate) fn is_impl_future(output: &ReturnType) -> bool {
    future_bound(output).is_some()
}

/// The last segment of the bound of `-> impl Future<…>`, or of one in a box.
fn future_bound(output: &ReturnType) -> Option<&PathSegment> {
    let ReturnType::Type(_, ty) = output else {
        return None;
    };
    let boxed =
        only_argument(ty, &["pin", "Pin"]).and_then(|ty| only_argument(ty, &["boxed", "Box"]));
    let bounds = match (peel(ty), boxed.map(peel)) {
        (Type::ImplTrait(bounds), _) => &bounds.bounds,
        (_, Some(Type::TraitObject(object))) => &object.bounds,
        _ => return None,
    };
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let last = bound.path.segments.last();
            last.filter(|segment| segment.ident == "Future")
        }
        _ => None,
    })
}

/// The type that calls return, the output of a future; none where it is not written out.
pub(crate) fn returned(output: &ReturnType) -> Option<Cow<'_, Type>> {
    let ty = match (output, future_bound(output)) {
        (ReturnType::Default, _) => return Some(Cow::Owned(syn::parse_quote!(()))),
        (ReturnType::Type(_, ty), None) => ty,
        (_, Some(future)) => match &future.arguments {
            PathArguments::AngleBracketed(arguments) => {
                arguments.args.iter().find_map(|argument| match argument {
                    GenericArgument::AssocType(output) if output.ident == "Output" => {
                        Some(&output.ty)
                    }
                    _ => None,
                })?
            }
            _ => return None,
        },
    };
    let is_written = !matches!(peel(ty), Type::ImplTrait(_));
    is_written.then_some(Cow::Borrowed(ty))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn option_is_known_by_its_paths() {
        for ty in [
            parse_quote!(Option<u8>),
            parse_quote!(std::option::Option<u8>),
            parse_quote!(::core::option::Option<u8>),
        ] {
            assert_eq!(
                option_of(&ty)
                    .map(|inner| inner.to_token_stream().to_string())
                    .as_deref(),
                Some("u8")
            );
        }
        for ty in [
            parse_quote!(Vec<u8>),
            parse_quote!(my::Option<u8>),
            parse_quote!(Option),
            parse_quote!(<A as B>::Option<u8>),
        ] {
            assert!(option_of(&ty).is_none());
        }
    }

    #[test]
    fn string_is_known_by_its_paths() {
        for ty in [
            parse_quote!(String),
            parse_quote!(std::string::String),
            parse_quote!(::alloc::string::String),
        ] {
            assert!(is_string(&ty));
        }
        assert!(!is_string(&parse_quote!(str)));
        assert!(!is_string(&parse_quote!(my::String)));
    }

    #[test]
    fn a_future_is_known_by_its_bound() {
        assert!(is_impl_future(
            &parse_quote!(-> impl std::future::Future<Output = u8> + Send)
        ));
        assert!(!is_impl_future(&parse_quote!(-> impl Iterator<Item = u8>)));
        assert!(!is_impl_future(&parse_quote!(-> u8)));
    }
}
