//! `#[derive(Provide)]`: a struct that provides its fields as state, each by its type.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Field, Index, Member, Meta, Path, Type};

use crate::attr;
use crate::errors::Errors;
use crate::{model, ty};

pub(crate) fn try_provide(item: &DeriveInput) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let krate = match item
        .attrs
        .iter()
        .find(|attr| is_provide(attr))
        .map(|attr| &attr.meta)
    {
        Some(Meta::List(list)) => attr::crate_option(list.tokens.clone(), &mut errors),
        Some(other) => {
            return Err(syn::Error::new_spanned(
                other,
                "`provide` needs options; write `#[provide(crate = …)]`",
            ));
        }
        None => attr::crate_option(TokenStream::new(), &mut errors),
    };
    let Data::Struct(data) = &item.data else {
        let message = "`Provide` provides the fields of a struct; put the data into one, or implement `Provide` by hand";
        return Err(syn::Error::new(item.ident.span(), message));
    };
    let mut borrowed: Vec<Borrowed> = Vec::new();
    for (position, field) in data.fields.iter().enumerate() {
        let member = field
            .ident
            .clone()
            .map_or_else(|| Member::Unnamed(Index::from(position)), Member::Named);
        if !is_skipped(field, &mut errors) {
            borrowed.push(Borrowed {
                member: member.clone(),
                ty: &field.ty,
                in_arc: false,
            });
            borrowed.extend(ty::arc_of(&field.ty).map(|ty| Borrowed {
                member,
                ty,
                in_arc: true,
            }));
        }
    }
    check_types(&borrowed, &mut errors);
    let impls = borrowed
        .iter()
        .map(|borrowed| borrowed.implement(item, &krate))
        .collect();
    errors.finish(impls)
}

/// A field, or what is in its `Arc`.
struct Borrowed<'t> {
    member: Member,
    ty: &'t Type,
    in_arc: bool,
}

impl Borrowed<'_> {
    fn implement(&self, item: &DeriveInput, krate: &Path) -> TokenStream {
        let Self { member, ty, in_arc } = self;
        let value = if *in_arc {
            quote!(*self.#member)
        } else {
            quote!(self.#member)
        };
        let name = &item.ident;
        let (generics, arguments, where_clause) = item.generics.split_for_impl();
        quote_spanned! {ty.span()=>
            #[automatically_derived]
            impl #generics #krate::__private::ProvideState<#ty> for #name #arguments #where_clause {
                fn provide(&self) -> &#krate::__private::Borrowed<#ty> {
                    &#value
                }
            }
        }
    }
}

fn check_types(borrowed: &[Borrowed], errors: &mut Errors) {
    let spelled = |borrowed: &Borrowed| borrowed.ty.to_token_stream().to_string();
    for (position, later) in borrowed.iter().enumerate() {
        if borrowed[..position]
            .iter()
            .any(|before| spelled(before) == spelled(later))
        {
            let message = format!(
                "two fields provide a `{}`, so it is not clear which one a tool gets; give one a type of its own, or leave it out with `#[provide(skip)]`",
                model::compact(later.ty),
            );
            errors.push(syn::Error::new_spanned(later.ty, message));
        }
    }
}

fn is_skipped(field: &Field, errors: &mut Errors) -> bool {
    let Some(attr) = field.attrs.iter().find(|attr| is_provide(attr)) else {
        return false;
    };
    let message = "the only option of a field is `#[provide(skip)]`";
    match &attr.meta {
        Meta::List(list) if list.tokens.to_string() == "skip" => {}
        Meta::List(list) if !list.tokens.is_empty() => {
            errors.push(syn::Error::new_spanned(&list.tokens, message));
        }
        meta => errors.push(syn::Error::new_spanned(meta, message)),
    }
    true
}

fn is_provide(attr: &Attribute) -> bool {
    attr.path().is_ident("provide")
}
