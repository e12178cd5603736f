//! Doc comments to description text.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Description text: usually a literal, known to the macro; with `#[doc = include_str!("…")]` known
/// only to the compiler.
#[derive(Default)]
pub(crate) struct Doc(Vec<Part>);

enum Part {
    Line(String),
    Code(Expr),
}

impl Doc {
    /// The doc attributes among `attrs`, ignoring others.
    pub(crate) fn from_attrs(attrs: &[Attribute]) -> Self {
        let lines = attrs
            .iter()
            .filter(|attr| is_doc(attr))
            .filter_map(|attr| match &attr.meta {
                Meta::NameValue(doc) => Some(doc.value.clone()),
                _ => None, // `#[doc(hidden)]` and its like describe nothing
            });
        Self(lines.map(Part::from_expr).collect())
    }

    /// The value of a `description` option.
    pub(crate) fn from_expr(value: Expr) -> Self {
        Self(vec![match value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Part::Line(text.value()),
            code => Part::Code(code),
        }])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.literal().is_some_and(|text| text.is_empty())
    }

    /// The text, if the macro can know it: paragraphs kept, outer blank lines trimmed, trailing
    /// space dropped.
    fn literal(&self) -> Option<String> {
        let lines: Option<Vec<&str>> = self.0.iter().map(Part::line).collect();
        let text = lines?
            .iter()
            .map(|line| line.trim_end())
            .collect::<Vec<_>>()
            .join("\n");
        Some(text.trim_matches('\n').trim_end().to_owned())
    }
}

impl Part {
    fn from_expr(value: Expr) -> Self {
        match value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Self::Line(without_margin(&text.value())),
            code => Self::Code(code),
        }
    }

    fn line(&self) -> Option<&str> {
        match self {
            Self::Line(line) => Some(line),
            Self::Code(_) => None,
        }
    }
}

impl ToTokens for Doc {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        if let Some(text) = self.literal() {
            return text.to_tokens(tokens);
        }
        if let [Part::Code(code)] = self.0.as_slice() {
            return code.to_tokens(tokens);
        }
        let parts = self.0.iter().map(|part| match part {
            Part::Line(line) => quote!(#line),
            Part::Code(code) => quote!(#code),
        });
        tokens.extend(quote!(::core::concat!(#(#parts, "\n"),*)));
    }
}

pub(crate) fn is_doc(attr: &Attribute) -> bool {
    attr.path().is_ident("doc")
}

/// Every line of a doc comment begins with the space after `///`; deeper indentation is the
/// author's. The lines of a block comment may each begin with a star.
fn without_margin(text: &str) -> String {
    // The same text on every machine, however its files end their lines.
    let text = text.replace("\r\n", "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    let rest = || {
        lines
            .iter()
            .skip(1)
            .map(|line| line.trim_start())
            .filter(|line| !line.is_empty())
    };
    let starred = rest().next().is_some() && rest().all(|line| line.starts_with('*'));
    let line = |line: &&str| {
        let line = if starred {
            line.trim_start().trim_start_matches('*')
        } else {
            line
        };
        line.strip_prefix(' ').unwrap_or(line).to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn text(attrs: &[Attribute]) -> Option<String> {
        Doc::from_attrs(attrs).literal()
    }

    #[test]
    fn paragraphs_and_indentation_are_kept() {
        let attrs: [Attribute; 5] = [
            parse_quote!(#[doc = ""]),
            parse_quote!(#[doc = " First."]),
            parse_quote!(#[doc = ""]),
            parse_quote!(#[doc = "   indented  "]),
            parse_quote!(#[doc = " "]),
        ];
        assert_eq!(text(&attrs).as_deref(), Some("First.\n\n  indented"));
    }

    #[test]
    fn the_stars_of_a_block_comment_are_not_text() {
        let attrs: [Attribute; 1] =
            [parse_quote!(#[doc = "\n     * First.\n     *\n     * Second.\n     "])];
        assert_eq!(text(&attrs).as_deref(), Some("First.\n\nSecond."));
    }

    #[test]
    fn line_ends_and_tabs_make_no_difference() {
        let of = |text: &str| self::text(&[parse_quote!(#[doc = #text])]);
        let plain = of("\n * First.\n *\n * Second.\n ");
        assert_eq!(of("\r\n * First.\r\n *\r\n * Second.\r\n "), plain);
        assert_eq!(of("\n\t* First.\n\t*\n\t* Second.\n\t"), plain);
    }

    #[test]
    fn other_attributes_are_skipped() {
        let attrs: [Attribute; 3] = [
            parse_quote!(#[doc = " Text."]),
            parse_quote!(#[inline]),
            parse_quote!(#[doc(hidden)]),
        ];
        assert_eq!(text(&attrs).as_deref(), Some("Text."));
        assert!(Doc::from_attrs(&attrs[1..]).is_empty());
    }

    #[test]
    fn included_text_is_left_to_the_compiler() {
        let attrs: [Attribute; 1] = [parse_quote!(#[doc = include_str!("guide.md")])];
        assert_eq!(text(&attrs), None);
        assert!(!Doc::from_attrs(&attrs).is_empty());
    }
}
