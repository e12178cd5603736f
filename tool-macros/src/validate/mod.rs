//! Every rule that needs the whole model.

mod limits;
mod params;

use std::collections::HashMap;

use proc_macro2::{Ident, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{GenericParam, ItemFn, Safety, WhereClause, WherePredicate};

use self::params::{
    CONDITIONAL_STATE, check_argument, check_context_type, check_state, check_whole,
};
use crate::errors::Errors;
use crate::model::{ParamKind, ToolFn};
use crate::ty;

pub(crate) fn check(tool: &ToolFn, errors: &mut Errors) {
    check_signature(tool, errors);
    check_name(tool, errors);
    if !tool.has_refused_option {
        check_description(tool, errors);
        check_behavior(tool, errors);
    }
    for param in &tool.params {
        match &param.kind {
            ParamKind::State => check_state(param, errors),
            ParamKind::Context => check_context_type(&param.ty, errors),
            ParamKind::Argument(argument) => check_argument(&param.ty, argument, errors),
            ParamKind::Whole => check_whole(tool, param, errors),
        }
    }
    check_properties(tool, errors);
}

/// The type beside a function takes the place of a crate of that name, which the function itself may
/// use: nothing else of the name can be there.
pub(crate) fn check_type(tool: &ToolFn, item: &ItemFn, errors: &mut Errors) {
    let name = tool.options.type_name().unwrap_or(&item.sig.ident);
    if let Some(span) = hidden_crate(item, name) {
        let message = format!(
            "`{name}` is the type of this tool here, which hides the crate; name the type, `#[tool(type = {})]`, or write `::{name}`",
            type_name(&name.unraw().to_string())
        );
        errors.push(syn::Error::new(span, message));
    }
}

/// Where the function uses a crate of this name.
pub(crate) fn hidden_crate(item: &ItemFn, name: &Ident) -> Option<Span> {
    path_from(item.to_token_stream(), &name.unraw().to_string())
}

/// Where a path begins with this name, if one does.
fn path_from(tokens: TokenStream, name: &str) -> Option<Span> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_punct = |at: Option<usize>, c: char| matches!(at.and_then(|at| tokens.get(at)), Some(TokenTree::Punct(punct)) if punct.as_char() == c);
    // The first of two colons that belong together, or the second.
    let is_joint = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint);
    tokens
        .iter()
        .enumerate()
        .find_map(|(at, token)| match token {
            TokenTree::Group(group) => path_from(group.stream(), name),
            TokenTree::Ident(ident) if *ident == name => {
                let is_path = is_joint(at + 1) && is_punct(Some(at + 2), ':');
                // `.sum::<f64>()` is a method.
                let is_generic = is_punct(Some(at + 3), '<');
                let before = at.checked_sub(1);
                let is_inner = is_punct(before, ':') || is_punct(before, '.');
                (is_path && !is_generic && !is_inner).then(|| ident.span())
            }
            _ => None,
        })
}

/// Input: `fetch_page`. Output: `FetchPageTool`.
fn type_name(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<String>() + "Tool"
}

fn check_signature(tool: &ToolFn, errors: &mut Errors) {
    let signature = &tool.sig;
    let mut refuse = |span: Span, message: &str| errors.push(syn::Error::new(span, message));
    for generic in &signature.generics.params {
        match generic {
            GenericParam::Lifetime(lifetime) => {
                refuse(
                    lifetime.span(),
                    "a tool has no lifetime parameters, since its arguments live as long as the call; write `&T`, and put `#[tool]` above an attribute that adds them",
                );
            }
            generic => refuse(
                generic.span(),
                "a tool cannot be generic, since the model sees one schema; write a concrete type",
            ),
        }
    }
    let of_types = |bounds: &&WhereClause| {
        let mut bounds = bounds.predicates.iter();
        bounds.any(|bound| !matches!(bound, WherePredicate::Lifetime(_)))
    };
    if let Some(bounds) = signature.generics.where_clause.as_ref().filter(of_types) {
        refuse(
            bounds.where_token.span,
            "a tool has no `where` clause, since it is not generic; put the bound on the `impl` block, or remove it",
        );
    }
    if let Some(constness) = signature.constness {
        refuse(
            constness.span(),
            "a tool cannot be a `const fn`; remove `const`, or call it from a tool",
        );
    }
    if let Safety::Unsafe(safety) = &signature.safety {
        refuse(
            safety.span(),
            "a tool cannot be `unsafe`, since a model calls it; wrap it in a safe function that checks its arguments",
        );
    }
    if let Some(abi) = &signature.abi {
        refuse(
            abi.span(),
            "a tool has Rust's own calling convention; remove `extern`, or call it from a tool",
        );
    }
}

fn check_name(tool: &ToolFn, errors: &mut Errors) {
    let name = &tool.name;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.text.is_empty() || !name.text.chars().all(legal) {
        let message = format!(
            "tool name `{}` must be letters, digits, `_` or `-`; write `#[tool(name = \"…\")]`",
            name.text
        );
        errors.push(syn::Error::new(name.span, message));
    } else if name.text.len() > 64 {
        let message = format!(
            "tool name has {} characters, and services accept 64; write `#[tool(name = \"…\")]`",
            name.text.len()
        );
        errors.push(syn::Error::new(name.span, message));
    }
}

fn check_description(tool: &ToolFn, errors: &mut Errors) {
    if tool.description.is_empty() {
        let message = format!(
            "tool `{}` has no description for the model to choose it by; add a doc comment",
            tool.name.text
        );
        errors.push(syn::Error::new(tool.sig.ident.span(), message));
    }
}

fn check_behavior(tool: &ToolFn, errors: &mut Errors) {
    let options = &tool.options;
    let mut refuse = |span: Span, message: &str| errors.push(syn::Error::new(span, message));
    if let (Some(read_only), Some(destructive)) = (&options.read_only, &options.destructive)
        && read_only.value
        && destructive.value
    {
        refuse(
            destructive.key.span(),
            "a `read_only` tool changes nothing, so it cannot be `destructive`; remove one",
        );
    }
    if let (Some(retry), false) = (&options.retry, options.is_repeatable()) {
        let message = "a retry may repeat what a first attempt has done; add `read_only` or `idempotent` if that does no harm";
        refuse(retry.key.span(), message);
    }
    if let (Some(inline), true) = (&options.inline, tool.is_async()) {
        refuse(
            inline.span(),
            "`inline` keeps a plain `fn` off the blocking pool, and an async one never goes there; remove it",
        );
    }
    if let (Some(structured), None) = (&options.structured, ty::returned(&tool.sig.output)) {
        refuse(
            structured.span(),
            "`structured` publishes the schema of the type that is returned; write that type instead of `impl Trait`",
        );
    }
    if tool.owner.is_some() {
        for key in options.of_items() {
            let message = match key.unraw().to_string().as_str() {
                "crate" => "the path belongs on the block; write `#[toolbox(crate = …)]`",
                "type" => "methods are listed by their type; remove `type`",
                _ => {
                    "the methods of a `#[toolbox]` are listed by their type, not linked; remove `linked`"
                }
            };
            refuse(key.span(), message);
        }
    }
    if tool.owner.is_some() && !tool.cfgs.is_empty() {
        for param in tool
            .params
            .iter()
            .filter(|param| param.ident.is_some() && matches!(param.kind, ParamKind::State))
        {
            refuse(param.ty.span(), CONDITIONAL_STATE);
        }
    }
    for name in &options.serialize_by {
        let param = tool
            .params
            .iter()
            .find(|param| param.ident.as_ref() == Some(name));
        match param.map(|param| &param.kind) {
            Some(ParamKind::Argument(_)) => {}
            Some(ParamKind::Whole) => refuse(
                name.span(),
                "calls are distinguished by single properties; `#[args]` is the whole object",
            ),
            Some(_) => refuse(
                name.span(),
                "calls are distinguished by what the model writes; name one of those parameters",
            ),
            // It may be one that was refused.
            None if tool.params.len() < tool.sig.inputs.len() => {}
            None => refuse(
                name.span(),
                &format!("there is no parameter `{name}`; name one that is there"),
            ),
        }
    }
}

fn check_properties(tool: &ToolFn, errors: &mut Errors) {
    let mut seen = HashMap::new();
    for (param, argument) in tool.arguments() {
        let aliases = argument
            .aliases
            .iter()
            .map(|alias| (alias.value(), alias.span()));
        let aliases = aliases.filter(|(alias, _)| *alias != argument.name.text);
        for (name, span) in [(argument.name.text.clone(), argument.name.span)]
            .into_iter()
            .chain(aliases)
        {
            if name.is_empty() {
                errors.push(syn::Error::new(
                    span,
                    "a JSON property needs a name; write `#[arg(name = \"…\")]`",
                ));
            }
            let message = format!(
                "two parameters are named `{name}` for the model; rename one with `#[arg(name = \"…\")]`"
            );
            let conditional = !param.cfgs.is_empty();
            if seen
                .insert(name, conditional)
                .is_some_and(|before| !before || !conditional)
            {
                errors.push(syn::Error::new(span, message));
            }
        }
    }
}
