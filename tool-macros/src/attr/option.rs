//! What all options have in common: `key`, `key = value` or `key(value)`, separated by commas.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Ident, LitBool, Path, Token, parenthesized};

use crate::errors::Errors;

/// Reads each option. A bad one is reported, and the next is read.
pub(super) fn each_option(
    tokens: TokenStream,
    keys: &[&str],
    errors: &mut Errors,
    mut read: impl FnMut(&Ident, ParseStream) -> syn::Result<()>,
) {
    let mut seen: Vec<String> = Vec::new();
    let parse = |input: ParseStream| -> syn::Result<()> {
        while !input.is_empty() {
            let key = input.call(Ident::parse_any).map_err(|_| {
                input.error(format!("an option begins with its name; {}", options(keys)))
            });
            let result = key.and_then(|key| {
                let name = key.unraw().to_string();
                if !keys.contains(&name.as_str()) {
                    return Err(syn::Error::new(key.span(), unknown_option(&name, keys)));
                }
                if seen.contains(&name) {
                    return Err(syn::Error::new(
                        key.span(),
                        format!("`{name}` is given twice; remove one"),
                    ));
                }
                seen.push(name);
                read(&key, input)?;
                if input.is_empty() || input.peek(Token![,]) {
                    Ok(())
                } else {
                    Err(input.error("expected `,`"))
                }
            });
            if errors.keep(result).is_none() {
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<proc_macro2::TokenTree>()?;
                }
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    let result = parse.parse2(tokens);
    errors.keep(result);
}

fn unknown_option(name: &str, keys: &[&str]) -> String {
    let likeness = |key: &&&str| strsim::jaro_winkler(name, key);
    match keys
        .iter()
        .filter(|key| likeness(key) > 0.75)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
    {
        Some(key) => format!("unknown option `{name}`; did you mean `{key}`?"),
        None => format!("unknown option `{name}`; {}", options(keys)),
    }
}

fn options(keys: &[&str]) -> String {
    match keys {
        [key] => format!("the only option is `{key}`"),
        keys => format!(
            "the options are {}",
            keys.iter()
                .map(|key| format!("`{key}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// `key = value`
pub(super) fn value<T>(
    key: &Ident,
    input: ParseStream,
    example: &str,
    parse: impl FnOnce(ParseStream) -> syn::Result<T>,
) -> syn::Result<T> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(
            key.span(),
            format!("`{}` needs a value; write `{example}`", key.unraw()),
        ));
    }
    let equals: Token![=] = input.parse()?;
    let start = if input.is_empty() {
        equals.span
    } else {
        input.span()
    };
    parse(input).map_err(|_| {
        syn::Error::new(
            start,
            format!(
                "this is not a value for `{}`; write `{example}`",
                key.unraw()
            ),
        )
    })
}

/// `key(value)`
pub(super) fn list(
    key: &Ident,
    input: ParseStream,
    what: &str,
    example: &str,
) -> syn::Result<TokenStream> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(
            key.span(),
            format!(
                "`{}` needs {what} in parentheses; write `{example}`",
                key.unraw()
            ),
        ));
    }
    let content;
    parenthesized!(content in input);
    content.parse()
}

/// `key`
pub(super) fn flag(key: &Ident, input: ParseStream) -> syn::Result<bool> {
    if !input.peek(Token![=]) && !input.peek(syn::token::Paren) {
        return Ok(true);
    }
    Err(input.error(format!(
        "`{key}` takes no value; write `{key}` alone, or leave it out",
        key = key.unraw()
    )))
}

/// A flag: set, or denied with `= false`.
pub(crate) struct Hint {
    pub(crate) key: Ident,
    pub(crate) value: bool,
}

/// `key`, or `key = false`
pub(super) fn hint(key: &Ident, input: ParseStream) -> syn::Result<Hint> {
    let value = if input.peek(Token![=]) {
        let equals: Token![=] = input.parse()?;
        input
            .parse()
            .map_or_else(|_| Err(equals), |value: LitBool| Ok(value.value))
    } else if input.peek(syn::token::Paren) {
        return Err(input.error(hint_form(key)));
    } else {
        Ok(true)
    };
    match value {
        Ok(value) => Ok(Hint {
            key: key.clone(),
            value,
        }),
        Err(equals) => Err(syn::Error::new(equals.span, hint_form(key))),
    }
}

fn hint_form(key: &Ident) -> String {
    format!(
        "`{key}` is a flag; write `{key}`, or `{key} = false`",
        key = key.unraw()
    )
}

/// `description = "…"`, or a constant expression.
pub(super) fn description(key: &Ident, input: ParseStream) -> syn::Result<Expr> {
    let example = "description = \"Get a patient's name.\"";
    let text: Expr = value(key, input, example, |value| value.parse())?;
    let text = ungrouped(text);
    let is_text = match &text {
        Expr::Lit(literal) => matches!(literal.lit, syn::Lit::Str(_)),
        _ => true, // a constant, `include_str!`, `concat!`: the compiler knows
    };
    if is_text {
        Ok(text)
    } else {
        Err(syn::Error::new_spanned(
            text,
            format!("a description is text; write `{example}`"),
        ))
    }
}

/// The expression behind parentheses, and the invisible group that `macro_rules!` puts round
/// `$text:expr`.
pub(super) fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        Expr::Paren(paren) => ungrouped(*paren.expr),
        other => other,
    }
}

/// `crate = path`
pub(super) fn krate(key: &Ident, input: ParseStream) -> syn::Result<Path> {
    value(key, input, "crate = my_crate::tool_core", |value| {
        value.call(Path::parse_mod_style)
    })
}

/// Where `tool_core` is found, unless `crate = path` says otherwise.
pub(super) fn default_crate() -> Path {
    syn::parse_quote!(::tool_core)
}

/// The options of an attribute that has no other.
pub(crate) fn crate_option(tokens: TokenStream, errors: &mut Errors) -> Path {
    let mut path = default_crate();
    each_option(tokens, &["crate"], errors, |key, input| {
        path = krate(key, input)?;
        Ok(())
    });
    path
}
