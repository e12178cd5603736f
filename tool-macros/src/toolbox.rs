//! `#[toolbox]`: the methods of a type as tools.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, ImplItem, ItemImpl, Meta, Type};

use crate::errors::Errors;
use crate::model::{ToolFn, without_helpers};
use crate::{attr, expand, validate};

pub(crate) fn try_toolbox(options: TokenStream, item: &ItemImpl) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let krate = attr::crate_option(options, &mut errors);
    let tools = tools(item, &mut errors);
    check(item, &tools, &mut errors);
    errors.finish(())?;
    Ok(expand::toolbox(
        &without_attributes(item.clone()),
        &tools,
        &krate,
    ))
}

/// The methods with `#[tool]`, in order.
fn tools(item: &ItemImpl, errors: &mut Errors) -> Vec<ToolFn> {
    let mut tools = Vec::new();
    for item_fn in item.items.iter().filter_map(|inner| {
        if let ImplItem::Fn(method) = inner {
            Some(method)
        } else {
            None
        }
    }) {
        let Some(attr) = item_fn.attrs.iter().find(|attr| is_tool(attr)) else {
            continue;
        };
        for again in item_fn.attrs.iter().filter(|attr| is_tool(attr)).skip(1) {
            errors.push(syn::Error::new_spanned(
                again.path(),
                "`tool` is given twice; put all options into one `#[tool(…)]`",
            ));
        }
        let options = match &attr.meta {
            Meta::Path(_) => TokenStream::new(),
            Meta::List(list) => list.tokens.clone(),
            Meta::NameValue(value) => {
                errors.push(syn::Error::new(
                    value.eq_token.span,
                    "options need parentheses; write `#[tool(name = \"…\")]`",
                ));
                continue;
            }
        };
        let owner = Some(&*item.self_ty);
        let tool = ToolFn::from_syn(options, &item_fn.sig, &item_fn.attrs, owner, errors);
        validate::check(&tool, errors);
        tools.push(tool);
    }
    tools
}

fn check(item: &ItemImpl, tools: &[ToolFn], errors: &mut Errors) {
    if let Some((of, _)) = &item.trait_ {
        let message = "tools are a type's own methods; put `#[toolbox]` on an `impl` block without a trait, and call the trait's from there";
        errors.push(syn::Error::new(of.span(), message));
    } else if !item.items.iter().any(has_tool) {
        let message = "there is no tool in this `#[toolbox]`; put `#[tool]` on the methods that a model may call";
        errors.push(syn::Error::new(item.self_ty.span(), message));
    }
    for (param, argument) in tools
        .iter()
        .flat_map(ToolFn::arguments)
        .filter(|(_, argument)| !argument.derive_attrs.is_empty())
    {
        if item
            .generics
            .type_params()
            .any(|generic| mentions(&param.ty, &generic.ident))
        {
            let message = "attributes of serde and schemars cannot use a type parameter of the block; put them on a field of your own type";
            errors.push(syn::Error::new_spanned(
                argument.derive_attrs[0].path(),
                message,
            ));
        }
    }
    for (position, tool) in tools.iter().enumerate() {
        if tool.cfgs.is_empty()
            && tools[..position]
                .iter()
                .any(|before| before.name.text == tool.name.text)
        {
            let message = format!(
                "two tools are named `{}`; rename one with `#[tool(name = \"…\")]`",
                tool.name.text
            );
            errors.push(syn::Error::new(tool.name.span, message));
        }
    }
}

fn mentions(ty: &Type, name: &Ident) -> bool {
    fn among(tokens: TokenStream, name: &Ident) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == *name,
            TokenTree::Group(group) => among(group.stream(), name),
            _ => false,
        })
    }
    among(ty.to_token_stream(), name)
}

fn has_tool(item: &ImplItem) -> bool {
    matches!(item, ImplItem::Fn(method) if method.attrs.iter().any(is_tool))
}

/// `#[tool]` by its name, under any path: inside a `#[toolbox]` it is a mark that never expands by
/// itself.
fn is_tool(attr: &Attribute) -> bool {
    attr.path()
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "tool")
}

/// The block as it is emitted.
pub(crate) fn without_attributes(mut item: ItemImpl) -> ItemImpl {
    for method in item.items.iter_mut().filter_map(|inner| {
        if let ImplItem::Fn(method) = inner {
            Some(method)
        } else {
            None
        }
    }) {
        if method.attrs.iter().any(is_tool) {
            method.attrs.retain(|attr| !is_tool(attr));
            without_helpers(&mut method.sig);
        }
    }
    item
}
