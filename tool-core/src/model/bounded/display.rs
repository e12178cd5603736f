//! Displayed text, shortened while it is written.

use std::fmt::{Display, Write};

use super::ends::Ends;
use super::shorten::Form;

/// What a value displays. One whose `Display` fails keeps what it had written by then.
pub(crate) fn display(value: &(impl Display + ?Sized), most: usize) -> String {
    let mut text = Ends::new(most);
    let _ = write!(text, "{value}");
    text.into_text(Form::Text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    /// Writes many lines, and fails in the end or never.
    struct Long(bool);

    impl Display for Long {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (0..100_000).try_for_each(|line| writeln!(f, "line {line}"))?;
            if self.0 { Err(fmt::Error) } else { Ok(()) }
        }
    }

    #[test]
    fn text_is_cut_while_it_is_displayed() {
        for fails in [false, true] {
            let text = display(&Long(fails), 1000);
            assert!(text.len() <= 1000 && text.starts_with("line 0\n"));
            assert!(text.contains(" bytes left out]") && text.ends_with("line 99999\n"));
        }
        assert_eq!(display("short", 1000), "short");
    }
}
