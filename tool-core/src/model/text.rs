//! Text that a model reads.

/// Runs of white space, line breaks among them, become one space.
pub(crate) fn one_line(text: &str) -> String {
    if text.contains(['\n', '\r', '\t']) {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        text.trim().to_owned()
    }
}

/// Cuts text that a model wrote before it is repeated to the model or the operator.
pub(crate) fn clip(text: &str) -> String {
    beginning(text, 100)
}

/// The beginning of a text, of at most so many characters, and a mark where it is cut.
pub(crate) fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Text from elsewhere as a part of a message: on one line, and clipped.
pub(crate) fn quotable(text: &str) -> String {
    let on_one_line = |char: char| if char.is_control() { ' ' } else { char };
    clip(text).chars().map(on_one_line).collect()
}

/// The candidate most like `name`, if any is near enough to have been meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const LEAST: f64 = 0.8;
    let name = clip(name).to_lowercase(); // the comparison is quadratic
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&name, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= LEAST)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_or_none() {
        let tools = ["get_patient_allergies", "get_patient_medications"];
        assert_eq!(
            nearest("get_patient_medication", tools),
            Some("get_patient_medications")
        );
        assert_eq!(
            nearest("GetPatientAllergies", tools),
            Some("get_patient_allergies")
        );
        assert_eq!(nearest("send_mail", tools), None);
    }

    #[test]
    fn clipping_respects_characters() {
        assert_eq!(clip("short"), "short");
        assert_eq!(clip(&"é".repeat(200)), format!("{}…", "é".repeat(100)));
    }
}
