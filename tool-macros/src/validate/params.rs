//! Rules for each kind of parameter.

use syn::Type;

use super::limits::{admits, is_empty, length, number};
use crate::errors::Errors;
use crate::model::{Argument, Default, Limits, Param, ParamKind, ToolFn, compact};
use crate::ty;

pub(super) const CONDITIONAL_STATE: &str =
    "what a tool asks of the state cannot depend on a condition; take one type whose inside does";

pub(super) fn check_state(param: &Param, errors: &mut Errors) {
    let state = ty::reference(&param.ty).map_or(&param.ty, |reference| &*reference.elem);
    if let Type::ImplTrait(bounds) = ty::peel(state) {
        let message = format!(
            "state is found by its type, and `impl Trait` is none; write `&dyn {}`, which the state then provides",
            compact(&bounds.bounds)
        );
        errors.push(syn::Error::new_spanned(bounds, message));
    }
    if let Some(mutability) = ty::reference(&param.ty).and_then(|reference| reference.mutability) {
        errors.push(syn::Error::new(
            mutability.span,
            "calls run at once and share the state; take `&T`, and put a lock inside what changes",
        ));
    }
    let lifetime = ty::reference(&param.ty).and_then(|reference| reference.lifetime.as_ref());
    if let Some(lifetime) = lifetime.filter(|lifetime| lifetime.ident == "static") {
        errors.push(syn::Error::new_spanned(
            lifetime,
            "state is borrowed for the call; remove `'static`, or take an owned `Clone` type",
        ));
    }
    if let Some(reference) = ty::option_of(&param.ty).and_then(ty::reference) {
        let message = format!(
            "state is provided as it is; take `&Option<{}>`, which the state then provides",
            compact(&reference.elem)
        );
        errors.push(syn::Error::new_spanned(&param.ty, message));
    }
    if let Some(cfg) = param.cfgs.first() {
        errors.push(syn::Error::new_spanned(cfg, CONDITIONAL_STATE));
    }
}

pub(super) fn check_context_type(ty: &Type, errors: &mut Errors) {
    let message = match ty::reference(ty) {
        None => "a call's context is shared with the dispatcher; take `&CallContext`",
        Some(reference) if reference.mutability.is_some() => {
            "a call's context is shared with the dispatcher; take `&CallContext`"
        }
        Some(reference)
            if reference
                .lifetime
                .as_ref()
                .is_some_and(|lifetime| lifetime.ident != "_") =>
        {
            "a call's context lives as long as the call; remove the lifetime"
        }
        Some(_) => return,
    };
    errors.push(syn::Error::new_spanned(ty, message));
}

pub(super) fn check_whole(tool: &ToolFn, param: &Param, errors: &mut Errors) {
    let ty = &param.ty;
    check_argument_type(ty, errors);
    if let Some(cfg) = param.cfgs.first() {
        errors.push(syn::Error::new_spanned(
            cfg,
            "a call always has an arguments object; put the condition on fields of its type",
        ));
    }
    if let Some(inner) = ty::option_of(ty) {
        let message = format!(
            "a call always has an arguments object; write `{}`, with optional fields",
            compact(inner)
        );
        errors.push(syn::Error::new_spanned(ty, message));
    }
    if ty::is_no_object(ty) {
        let message = "the arguments of a call are an object, which this is not; take a struct, or remove `#[args]`";
        errors.push(syn::Error::new_spanned(ty, message));
    }
    for (param, _) in tool.arguments() {
        let message =
            "`#[args]` is the whole object already; move this into its type, or mark it `#[state]`";
        errors.push(syn::Error::new_spanned(&param.ty, message));
    }
    let wholes = tool
        .params
        .iter()
        .filter(|param| matches!(param.kind, ParamKind::Whole));
    if let Some(second) = wholes.skip(1).find(|param| std::ptr::eq(&param.ty, ty)) {
        errors.push(syn::Error::new_spanned(
            &second.ty,
            "there is one arguments object; take one type for it",
        ));
    }
}

/// A type as it is written, without references in it.
///
/// Input:  `&[&'static str]`
/// Output: `&[String]`
fn owned(ty: &Type) -> String {
    let written = compact(ty);
    let (reference, written) = match written.strip_prefix('&') {
        Some(written) => ("&", written),
        None => ("", written.as_str()),
    };
    let written = written.replace("&'static ", "&").replace("&str", "String");
    format!("{reference}{}", written.replace('&', ""))
}

pub(super) fn check_argument(ty: &Type, argument: &Argument, errors: &mut Errors) {
    if ty::is_call_context(ty) {
        let message = "a call's context comes from the dispatcher, not from the model; mark the parameter `#[context]`";
        return errors.push(syn::Error::new_spanned(ty, message));
    }
    if let Some(reference) = ty::inner_reference(ty) {
        let message = format!(
            "a parameter owns what is in it, since it is decoded from text; write `{}`",
            owned(ty)
        );
        return errors.push(syn::Error::new_spanned(reference, message));
    }
    check_argument_type(ty, errors);
    if let Some(inner) = ty::option_of(ty) {
        check_argument_type(inner, errors);
        if let Some(Default::Expr(default)) = &argument.default {
            let message = format!(
                "an `Option` is `None` when left out, so a default could never be distinguished from it; write `{}`",
                compact(inner)
            );
            errors.push(syn::Error::new_spanned(default, message));
        }
    }
    let (Some(Limits::Range(range)) | Some(Limits::Length(range))) = &argument.limits else {
        return;
    };
    if is_empty(range) {
        errors.push(syn::Error::new_spanned(
            range,
            "no value lies in this range; write the lower limit first",
        ));
    } else if let (Some(Default::Expr(default)), Some(limits)) =
        (&argument.default, &argument.limits)
    {
        let excluded = match limits {
            Limits::Range(range) => number(default).is_some_and(|value| !admits(range, value)),
            Limits::Length(range) => length(default).is_some_and(|value| !admits(range, value)),
        };
        if excluded {
            errors.push(syn::Error::new_spanned(
                default,
                "this default lies outside the limits of its own parameter; move one of them",
            ));
        }
    }
}

fn check_argument_type(ty: &Type, errors: &mut Errors) {
    if let Type::ImplTrait(bounds) = ty::peel(ty) {
        let message = "a tool cannot take `impl Trait`, since the model sees one schema; write a concrete type";
        return errors.push(syn::Error::new_spanned(bounds, message));
    }
    let Some(reference) = ty::reference(ty) else {
        return;
    };
    if let Some(mutability) = reference.mutability {
        let message =
            "tool parameters are decoded afresh for each call; take `&T` or `T`, not `&mut T`";
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
