//! `#[tool(…)]`

use std::time::Duration;

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, LitInt, LitStr, Path, Token};

use super::duration::duration;
use super::option::{
    Hint, default_crate, description, each_option, flag, hint, krate, list, value,
};
use crate::errors::Errors;

/// The options of `#[tool(…)]`. A flag is kept as its key, for the span.
#[derive(Default)]
pub(crate) struct ToolOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) title: Option<LitStr>,
    pub(crate) description: Option<Expr>,
    pub(crate) timeout: Option<TimeoutOption>,
    pub(crate) concurrency: Option<LitInt>,
    pub(crate) exclusive: Option<Ident>,
    pub(crate) serialize_by: Vec<Ident>,
    pub(crate) read_only: Option<Hint>,
    pub(crate) idempotent: Option<Hint>,
    pub(crate) destructive: Option<Hint>,
    pub(crate) open_world: Option<Hint>,
    pub(crate) remote: Option<Ident>,
    pub(crate) retry: Option<RetryOption>,
    pub(crate) strict: Option<Ident>,
    pub(crate) structured: Option<Ident>,
    pub(crate) inline: Option<Ident>,
    pub(crate) linked: Option<Ident>,
    type_name: Option<(Ident, Ident)>,
    krate: Option<(Ident, Path)>,
}

impl ToolOptions {
    /// Whether a call may run more than once.
    pub(crate) fn is_repeatable(&self) -> bool {
        [&self.read_only, &self.idempotent]
            .into_iter()
            .flatten()
            .any(|hint| hint.value)
    }

    /// Where `tool_core` is found.
    pub(crate) fn krate(&self) -> Path {
        self.krate
            .as_ref()
            .map_or_else(default_crate, |(_, path)| path.clone())
    }

    /// The name of the type beside the function, if it is not the function's.
    pub(crate) fn type_name(&self) -> Option<&Ident> {
        self.type_name.as_ref().map(|(_, name)| name)
    }

    /// The options that concern the item as a whole, which a method is not.
    pub(crate) fn of_items(&self) -> impl Iterator<Item = &Ident> {
        let type_name = self.type_name.as_ref().map(|(key, _)| key);
        [
            self.linked.as_ref(),
            type_name,
            self.krate.as_ref().map(|(key, _)| key),
        ]
        .into_iter()
        .flatten()
    }
}

/// The value of `timeout = "…"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeoutOption {
    After(Duration),
    Never,
}

/// `retry`, and what it says of attempts and pauses.
pub(crate) struct RetryOption {
    pub(crate) key: Ident,
    pub(crate) attempts: Option<LitInt>,
    pub(crate) backoff: Option<Duration>,
    pub(crate) max_backoff: Option<Duration>,
}

/// Parses what is in the parentheses of `#[tool(…)]`. What could be read is returned beside the
/// errors.
pub(crate) fn tool_options(tokens: TokenStream, errors: &mut Errors) -> ToolOptions {
    let mut options = ToolOptions::default();
    let mut retry = None;
    let keys = [
        "concurrency",
        "crate",
        "description",
        "destructive",
        "exclusive",
        "idempotent",
        "inline",
        "linked",
        "name",
        "open_world",
        "read_only",
        "remote",
        "retry",
        "serialize_by",
        "strict",
        "structured",
        "timeout",
        "title",
        "type",
    ];
    each_option(tokens, &keys, errors, |key, input| {
        let flag = |flag: &mut Option<Ident>| {
            *flag = self::flag(key, input)?.then(|| key.clone());
            Ok(())
        };
        match key.unraw().to_string().as_str() {
            "concurrency" => options.concurrency = Some(count(key, input, "concurrency = 4", 1)?),
            "crate" => options.krate = Some((key.clone(), krate(key, input)?)),
            "description" => options.description = Some(description(key, input)?),
            "destructive" => options.destructive = Some(hint(key, input)?),
            "exclusive" => return flag(&mut options.exclusive),
            "idempotent" => options.idempotent = Some(hint(key, input)?),
            "inline" => return flag(&mut options.inline),
            "linked" => return flag(&mut options.linked),
            "name" => {
                options.name = Some(value(key, input, "name = \"get_patient\"", |value| {
                    value.parse()
                })?);
            }
            "open_world" => options.open_world = Some(hint(key, input)?),
            "read_only" => options.read_only = Some(hint(key, input)?),
            "remote" => return flag(&mut options.remote),
            "retry" => retry = Some((key.clone(), retry_tokens(key, input)?)),
            "serialize_by" => options.serialize_by = serialize_by(key, input)?,
            "strict" => return flag(&mut options.strict),
            "structured" => return flag(&mut options.structured),
            "timeout" => {
                options.timeout =
                    Some(timeout(&value(key, input, "timeout = \"5s\"", |value| {
                        value.parse()
                    })?)?);
            }
            "title" => {
                let example = "title = \"Patient name\"";
                options.title = Some(value(key, input, example, |value| value.parse())?);
            }
            _ => {
                options.type_name = Some((
                    key.clone(),
                    value(key, input, "type = SearchTool", |value| value.parse())?,
                ));
            }
        }
        Ok(())
    });
    options.retry = retry.map(|(key, tokens)| self::retry(key, tokens, errors));
    options
}

/// A count with a least value.
fn count(key: &Ident, input: ParseStream, example: &str, least: u32) -> syn::Result<LitInt> {
    let written: LitInt = value(key, input, example, |value| value.parse())?;
    match written.base10_parse::<u32>() {
        Ok(count) if count >= least && written.suffix().is_empty() => Ok(written),
        _ => Err(syn::Error::new(
            written.span(),
            format!("`{key}` is a count of at least {least}; write `{example}`"),
        )),
    }
}

fn serialize_by(key: &Ident, input: ParseStream) -> syn::Result<Vec<Ident>> {
    let example = "serialize_by(patient_id)";
    let tokens = list(key, input, "the parameters that make up its key", example)?;
    match Punctuated::<Ident, Token![,]>::parse_terminated.parse2(tokens.clone()) {
        Ok(names) if names.is_empty() => Err(syn::Error::new(
            key.span(),
            format!("`serialize_by` needs a parameter; write `{example}`"),
        )),
        Ok(names) => {
            let names: Vec<Ident> = names.into_iter().collect();
            match names
                .iter()
                .enumerate()
                .find(|(position, name)| names[..*position].contains(name))
            {
                Some((_, again)) => Err(syn::Error::new(
                    again.span(),
                    format!("`{again}` is named twice; remove one"),
                )),
                None => Ok(names),
            }
        }
        Err(_) => Err(syn::Error::new_spanned(
            tokens,
            format!("these are not names of parameters; write `{example}`"),
        )),
    }
}

fn retry_tokens(key: &Ident, input: ParseStream) -> syn::Result<TokenStream> {
    let example = "retry(attempts = 3, backoff = \"100ms\")";
    if input.is_empty() || input.peek(Token![,]) {
        Ok(TokenStream::new())
    } else {
        list(key, input, "its options", example)
    }
}

fn retry(key: Ident, tokens: TokenStream, errors: &mut Errors) -> RetryOption {
    let mut retry = RetryOption {
        key,
        attempts: None,
        backoff: None,
        max_backoff: None,
    };
    each_option(
        tokens,
        &["attempts", "backoff", "max_backoff"],
        errors,
        |key, input| {
            let name = key.unraw().to_string();
            if name == "attempts" {
                retry.attempts = Some(count(key, input, "attempts = 3", 2)?);
                return Ok(());
            }
            let example = format!("{name} = \"100ms\"");
            let pause = Some(duration(
                &value(key, input, &example, |value| value.parse())?,
                &example,
            )?);
            if name == "backoff" {
                retry.backoff = pause;
            } else {
                retry.max_backoff = pause;
            }
            Ok(())
        },
    );
    retry
}

fn timeout(text: &LitStr) -> syn::Result<TimeoutOption> {
    if text.value() == "none" {
        return Ok(TimeoutOption::Never);
    }
    match duration(text, "timeout = \"5s\"`, or `timeout = \"none\"")? {
        Duration::ZERO => Err(syn::Error::new(
            text.span(),
            "with a timeout of zero no call could ever answer; write a longer one",
        )),
        limit => Ok(TimeoutOption::After(limit)),
    }
}
