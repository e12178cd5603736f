//! Every rule that needs the whole model.

use std::collections::HashSet;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{GenericParam, Safety, Type};

use crate::errors::Errors;
use crate::model::{Argument, ParamKind, ToolFn, compact};
use crate::ty;

pub(crate) fn check(tool: &ToolFn) -> syn::Result<()> {
    let mut errors = Errors::default();
    check_signature(tool, &mut errors);
    check_name(tool, &mut errors);
    check_description(tool, &mut errors);
    for param in &tool.params {
        match &param.kind {
            ParamKind::State => check_state_type(&param.ty, &mut errors),
            ParamKind::Argument(argument) => check_argument(&param.ty, argument, &mut errors),
        }
    }
    check_properties(tool, &mut errors);
    errors.finish(())
}

fn check_signature(tool: &ToolFn, errors: &mut Errors) {
    let signature = &tool.item.sig;
    let mut refuse = |span: Span, message: &str| errors.push(syn::Error::new(span, message));
    for generic in &signature.generics.params {
        match generic {
            GenericParam::Lifetime(lifetime) => {
                refuse(lifetime.span(), "a tool has no lifetime parameters, since its arguments live as long as the call; write `&T`");
            }
            generic => refuse(generic.span(), "a tool cannot be generic, since the model sees one schema; write a concrete type"),
        }
    }
    if let Some(constness) = signature.constness {
        refuse(constness.span(), "a tool cannot be a `const fn`; remove `const`, or call it from a tool");
    }
    if let Safety::Unsafe(safety) = &signature.safety {
        refuse(safety.span(), "a tool cannot be `unsafe`, since a model calls it; wrap it in a safe function that checks its arguments");
    }
    if let Some(abi) = &signature.abi {
        refuse(abi.span(), "a tool has Rust's own calling convention; remove `extern`, or call it from a tool");
    }
}

fn check_name(tool: &ToolFn, errors: &mut Errors) {
    let name = &tool.name;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.text.is_empty() || !name.text.chars().all(legal) {
        let message = format!("tool name `{}` must be letters, digits, `_` or `-`; write `#[tool(name = \"…\")]`", name.text);
        errors.push(syn::Error::new(name.span, message));
    } else if name.text.len() > 64 {
        let message = format!("tool name has {} characters, and services accept 64; write `#[tool(name = \"…\")]`", name.text.len());
        errors.push(syn::Error::new(name.span, message));
    }
}

fn check_description(tool: &ToolFn, errors: &mut Errors) {
    if tool.description.is_empty() {
        let message = format!("tool `{}` has no description for the model to choose it by; add a doc comment", tool.name.text);
        errors.push(syn::Error::new(tool.item.sig.ident.span(), message));
    }
}

fn check_state_type(ty: &Type, errors: &mut Errors) {
    if let Some(mutability) = ty::reference(ty).and_then(|reference| reference.mutability) {
        errors
            .push(syn::Error::new(mutability.span, "calls run at once and share the state; take `&T`, and put a lock inside what changes"));
    }
}

fn check_argument(ty: &Type, argument: &Argument, errors: &mut Errors) {
    check_argument_type(ty, errors);
    let Some(inner) = ty::option_of(ty) else { return };
    check_argument_type(inner, errors);
    if let Some(default) = &argument.default {
        let message = format!("an `Option` is `None` when left out, so a default could never be told from it; write `{}`", compact(inner));
        errors.push(syn::Error::new_spanned(default, message));
    }
}

fn check_argument_type(ty: &Type, errors: &mut Errors) {
    if let Type::ImplTrait(bounds) = ty::peel(ty) {
        let message = "a tool cannot take `impl Trait`, since the model sees one schema; write a concrete type";
        return errors.push(syn::Error::new_spanned(bounds, message));
    }
    let Some(reference) = ty::reference(ty) else { return };
    if let Some(mutability) = reference.mutability {
        let message = "tool parameters are decoded afresh for each call; take `&T` or `T`, not `&mut T`";
        errors.push(syn::Error::new(mutability.span, message));
    }
    match &reference.lifetime {
        Some(lifetime) if lifetime.ident == "static" => {
            let message = "tool parameters live as long as the call; remove `'static`, or take the value itself";
            errors.push(syn::Error::new_spanned(lifetime, message));
        }
        _ => {}
    }
    check_argument_type(&reference.elem, errors);
}

fn check_properties(tool: &ToolFn, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (_, argument) in tool.arguments() {
        if argument.name.text.is_empty() {
            errors.push(syn::Error::new(argument.name.span, "a JSON property needs a name; write `#[arg(name = \"…\")]`"));
        }
        if !seen.insert(&argument.name.text) {
            let message =
                format!("two parameters are named `{}` for the model; rename one with `#[arg(name = \"…\")]`", argument.name.text);
            errors.push(syn::Error::new(argument.name.span, message));
        }
    }
}
