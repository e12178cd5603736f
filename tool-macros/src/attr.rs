//! Parses `#[tool(…)]` and `#[arg(…)]` into spanned values. What a value means for the tool is decided in `model`.

use std::time::Duration;

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Expr, ExprRange, Ident, LitStr, Meta, Path, Token, parenthesized};

use crate::errors::Errors;

/// The options of `#[tool(…)]`.
#[derive(Default)]
pub(crate) struct ToolOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) description: Option<Expr>,
    pub(crate) timeout: Option<TimeoutOption>,
    pub(crate) read_only: bool,
    krate: Option<Path>,
}

impl ToolOptions {
    /// Where `tool_core` is found.
    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(|| syn::parse_quote!(::tool_core))
    }
}

/// The value of `timeout = "…"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeoutOption {
    After(Duration),
    Never,
}

/// The options of `#[arg(…)]`.
#[derive(Default)]
pub(crate) struct ArgOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) description: Option<Expr>,
    pub(crate) default: Option<Expr>,
    pub(crate) range: Option<ExprRange>,
}

/// Parses what stands in the parentheses of `#[tool(…)]`. What could be read is returned beside the errors.
pub(crate) fn tool_options(tokens: TokenStream, errors: &mut Errors) -> ToolOptions {
    let mut options = ToolOptions::default();
    let keys = ["crate", "description", "name", "read_only", "timeout"];
    each_option(tokens, &keys, errors, |key, input| {
        match key.unraw().to_string().as_str() {
            "crate" => options.krate = Some(value(key, input, "crate = my_crate::tool_core", |value| value.call(Path::parse_mod_style))?),
            "description" => options.description = Some(description(key, input)?),
            "name" => options.name = Some(value(key, input, "name = \"get_patient\"", |value| value.parse())?),
            "timeout" => options.timeout = Some(timeout(&value(key, input, "timeout = \"5s\"", |value| value.parse())?)?),
            _ => options.read_only = flag(key, input)?,
        }
        Ok(())
    });
    options
}

/// Parses one `#[arg(…)]`.
pub(crate) fn arg_options(attr: &Attribute, errors: &mut Errors) -> ArgOptions {
    let mut options = ArgOptions::default();
    let Meta::List(list) = &attr.meta else {
        errors.push(syn::Error::new_spanned(attr, "`arg` needs options; write `#[arg(default = 5)]`"));
        return options;
    };
    let keys = ["default", "description", "name", "range"];
    each_option(list.tokens.clone(), &keys, errors, |key, input| {
        match key.unraw().to_string().as_str() {
            "default" => options.default = Some(value(key, input, "default = 5", |value| value.parse())?),
            "description" => options.description = Some(description(key, input)?),
            "name" => options.name = Some(value(key, input, "name = \"patient_id\"", |value| value.parse())?),
            _ => options.range = Some(range(key, input)?),
        }
        Ok(())
    });
    options
}

/// Reads `key`, `key = value` or `key(value)`, separated by commas. A bad one is reported, and the next is read.
fn each_option(tokens: TokenStream, keys: &[&str], errors: &mut Errors, mut read: impl FnMut(&Ident, ParseStream) -> syn::Result<()>) {
    let mut seen: Vec<String> = Vec::new();
    let parse = |input: ParseStream| -> syn::Result<()> {
        while !input.is_empty() {
            let key = input.call(Ident::parse_any).map_err(|_| input.error(format!("an option begins with its name; {}", options(keys))));
            let result = key.and_then(|key| {
                let name = key.unraw().to_string();
                if !keys.contains(&name.as_str()) {
                    return Err(syn::Error::new(key.span(), unknown_option(&name, keys)));
                }
                if seen.contains(&name) {
                    return Err(syn::Error::new(key.span(), format!("`{name}` is given twice; remove one")));
                }
                seen.push(name);
                read(&key, input)?;
                if input.is_empty() || input.peek(Token![,]) { Ok(()) } else { Err(input.error("expected `,`")) }
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
    match keys.iter().filter(|key| likeness(key) > 0.75).max_by(|a, b| likeness(a).total_cmp(&likeness(b))) {
        Some(key) => format!("unknown option `{name}`; did you mean `{key}`?"),
        None => format!("unknown option `{name}`; {}", options(keys)),
    }
}

fn options(keys: &[&str]) -> String {
    let keys = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    format!("the options are {keys}")
}

fn value<T>(key: &Ident, input: ParseStream, example: &str, parse: impl FnOnce(ParseStream) -> syn::Result<T>) -> syn::Result<T> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(key.span(), format!("`{}` needs a value; write `{example}`", key.unraw())));
    }
    let equals: Token![=] = input.parse()?;
    let start = if input.is_empty() { equals.span } else { input.span() };
    parse(input).map_err(|_| syn::Error::new(start, format!("this is no value for `{}`; write `{example}`", key.unraw())))
}

fn flag(key: &Ident, input: ParseStream) -> syn::Result<bool> {
    if !input.peek(Token![=]) && !input.peek(syn::token::Paren) {
        return Ok(true);
    }
    Err(input.error(format!("`{key}` takes no value; write `{key}` alone, or leave it out", key = key.unraw())))
}

fn description(key: &Ident, input: ParseStream) -> syn::Result<Expr> {
    let example = "description = \"Get a patient's name.\"";
    let text: Expr = value(key, input, example, |value| value.parse())?;
    let text = ungrouped(text);
    let is_text = match &text {
        Expr::Lit(literal) => matches!(literal.lit, syn::Lit::Str(_)),
        Expr::Macro(_) => true, // `include_str!`, `concat!`
        _ => false,
    };
    if is_text { Ok(text) } else { Err(syn::Error::new_spanned(text, format!("a description is text; write `{example}`"))) }
}

/// The expression behind the invisible group that `macro_rules!` puts round `$text:expr`.
fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        other => other,
    }
}

fn range(key: &Ident, input: ParseStream) -> syn::Result<ExprRange> {
    let example = "range(1..=50)";
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(key.span(), format!("`range` needs its limits in parentheses; write `{example}`")));
    }
    let content;
    parenthesized!(content in input);
    let whole: TokenStream = content.fork().parse()?;
    match content.parse::<Expr>() {
        Ok(Expr::Range(range)) if content.is_empty() && (range.start.is_some() || range.end.is_some()) => Ok(range),
        _ if whole.is_empty() => Err(syn::Error::new(key.span(), format!("`range` needs its limits; write `{example}`"))),
        _ => {
            content.parse::<TokenStream>()?;
            Err(syn::Error::new_spanned(whole, format!("this is no range; write `{example}`")))
        }
    }
}

fn timeout(text: &LitStr) -> syn::Result<TimeoutOption> {
    let invalid = || {
        let message = "a timeout is a whole number and a unit of `ms`, `s`, `m` or `h`; write `timeout = \"5s\"`, or \"none\" for no limit";
        syn::Error::new(text.span(), message)
    };
    let written = text.value();
    if written == "none" {
        return Ok(TimeoutOption::Never);
    }
    let unit = written.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = written[..written.len() - unit.len()].parse().map_err(|_| invalid())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    match millis {
        None => Err(invalid()),
        Some(0) => Err(syn::Error::new(text.span(), "with a timeout of zero no call could ever answer; write a longer one")),
        Some(millis) => Ok(TimeoutOption::After(Duration::from_millis(millis))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    fn parse(text: &str) -> Option<TimeoutOption> {
        timeout(&LitStr::new(text, Span::call_site())).ok()
    }

    #[test]
    fn a_timeout_carries_its_unit() {
        let after = |millis| Some(TimeoutOption::After(Duration::from_millis(millis)));
        assert_eq!(parse("250ms"), after(250));
        assert_eq!(parse("5s"), after(5_000));
        assert_eq!(parse("2m"), after(120_000));
        assert_eq!(parse("1h"), after(3_600_000));
        assert_eq!(parse("none"), Some(TimeoutOption::Never));
        for wrong in ["", "5", "s", "5 s", "5sec", "0s", "-1s", "1.5s", "99999999999999999999s", "9999999999999999999h"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
