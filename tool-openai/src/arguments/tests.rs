use super::*;
use proptest::prelude::*;

/// The objects and what was repaired; no objects, if the text stays as it is.
fn parse(text: &str) -> (Vec<String>, Vec<Repair>) {
    parse_with(text, false, false)
}

fn parse_with(text: &str, cut: bool, split: bool) -> (Vec<String>, Vec<Repair>) {
    let parsed = super::parse(text.to_owned(), cut, split, false);
    if !parsed.objects {
        assert_eq!(parsed.texts, [text]);
    }
    (
        if parsed.objects {
            parsed.texts
        } else {
            Vec::new()
        },
        parsed.repairs,
    )
}

fn repaired(text: &str, into: &str, repairs: &[Repair]) {
    assert_eq!(
        parse(text),
        (vec![into.to_owned()], repairs.to_vec()),
        "{text}"
    );
}

fn stays(text: &str) {
    assert_eq!(
        parse_with(text, false, true),
        (Vec::new(), Vec::new()),
        "{text}"
    );
}

#[test]
fn an_object_is_kept_byte_for_byte() {
    for text in [
        "{}",
        " {\"a\" : 1}\n",
        r#"{"n": 123456789012345678901234567890.10, "a": 1, "a": 2}"#,
        r#"{"path": "C:\\new\tables \u00e9"}"#,
    ] {
        repaired(text, text, &[]);
    }
}

#[test]
fn an_object_in_a_string_is_taken_out_of_it() {
    repaired(r#""{\"a\": 1}""#, r#"{"a": 1}"#, &[Repair::DoubleEncoding]);
    repaired(r#""{}""#, "{}", &[Repair::DoubleEncoding]);
    let fenced = [Repair::Surroundings, Repair::DoubleEncoding];
    repaired("```json\n\"{}\"\n```", "{}", &fenced);
    for text in [
        r#""Oslo""#,
        r#""[1]""#,
        r#""{\"a\":""#,
        r#""\"{}\"""#,
        r#"["{}"]"#,
    ] {
        stays(text);
    }
}

#[test]
fn one_surplus_brace_is_left_out() {
    repaired(r#"{"a": 1}}"#, r#"{"a": 1}"#, &[Repair::SurplusBrace]);
    repaired("{} }", "{}", &[Repair::SurplusBrace]);
    for text in [r#"{"a": 1}}}"#, r#"{"a": 1}]"#, "}", r#"{"a": {}"#] {
        stays(text);
    }
}

#[test]
fn a_tool_without_parameters_takes_nothing_however_it_is_written() {
    for text in ["[]", " [] ", "\"\""] {
        let parsed = super::parse(text.to_owned(), false, false, true);
        assert_eq!(
            (&*parsed.texts, &*parsed.repairs),
            (&["{}".to_owned()][..], &[Repair::NoArguments][..])
        );
        assert!(!super::parse(text.to_owned(), true, false, true).objects);
        stays(text);
    }
    assert!(!super::parse("[1]".to_owned(), false, false, true).objects);
}

#[test]
fn missing_arguments_are_none_unless_the_message_was_cut() {
    for text in ["", " \n", "null", " null "] {
        repaired(text, "{}", &[Repair::NoArguments]);
        assert_eq!(
            parse_with(text, true, true),
            (Vec::new(), Vec::new()),
            "{text}"
        );
    }
}

#[test]
fn a_code_fence_and_foreign_space_are_left_out() {
    for text in [
        "```json\n{\"a\": 1}\n```",
        "```{\"a\": 1}```",
        "{\"a\": 1}\n```\n",
        "\u{feff}{\"a\": 1}",
        "{\"a\": 1}\u{a0}\u{2028}",
    ] {
        repaired(text, r#"{"a": 1}"#, &[Repair::Surroundings]);
    }
}

#[test]
fn a_repeated_object_is_taken_once() {
    repaired(r#"{"a": 1}{"a": 1}"#, r#"{"a": 1}"#, &[Repair::Repetition]);
    repaired(
        "{\"a\": \" }\"}\n{\"a\":\" }\"} {\"a\": \" }\"}\n",
        r#"{"a": " }"}"#,
        &[Repair::Repetition],
    );
    repaired("{}{}", "{}", &[Repair::Repetition]);
}

#[test]
fn objects_differing_in_digits_or_string_spaces_are_different() {
    stays_unsplit(r#"{"n": 123456789012345678901234567890}{"n": 123456789012345678901234567891}"#);
    stays_unsplit(r#"{"a": "x"}{"a": " x"}"#);
    stays_unsplit(r#"{"a": "\"x"}{"a": "\" x"}"#);
}

fn stays_unsplit(text: &str) {
    assert_eq!(parse(text), (Vec::new(), Vec::new()), "{text}");
}

#[test]
fn empty_objects_before_the_arguments_are_left_out() {
    repaired(r#"{}{"a": 1}"#, r#"{"a": 1}"#, &[Repair::Placeholder]);
    repaired(
        r#"{ }{} {"a": 1}{"a": 1}"#,
        r#"{"a": 1}"#,
        &[Repair::Placeholder, Repair::Repetition],
    );
    stays_unsplit(r#"{"a": 1}{}"#);
}

#[test]
fn control_characters_are_escaped_inside_strings_only() {
    repaired(
        "{\n\"a\": \"x\ny\tz\u{1}\"\n}",
        "{\n\"a\": \"x\\u000ay\\u0009z\\u0001\"\n}",
        &[Repair::ControlCharacters],
    );
    stays("{\"a\":\u{1} 1}");
}

#[test]
fn invalid_backslashes_are_doubled_and_others_kept() {
    repaired(
        r#"{"re": "\d+\.\w \u12 \\ \" \n"}"#,
        r#"{"re": "\\d+\\.\\w \\u12 \\ \" \n"}"#,
        &[Repair::Escapes],
    );
    repaired(
        r#"{"path": "C:\new\Users\ö"}"#,
        r#"{"path": "C:\new\\Users\\ö"}"#,
        &[Repair::Escapes],
    );
    repaired(
        "{\"a\": \"\\\n\"}",
        "{\"a\": \"\\\\\\u000a\"}",
        &[Repair::ControlCharacters, Repair::Escapes],
    );
}

#[test]
fn several_faults_at_once_are_repaired() {
    let all = [
        Repair::Surroundings,
        Repair::Escapes,
        Repair::Placeholder,
        Repair::Repetition,
    ];
    repaired(
        "```json\n{}{\"re\": \"\\d\"}{\"re\": \"\\d\"}\n```",
        r#"{"re": "\\d"}"#,
        &all,
    );
}

#[test]
fn different_objects_are_an_error_unless_split() {
    let text = r#"{"city": "Oslo"}{"city": "Rome"}"#;
    stays_unsplit(text);
    let objects = vec![
        r#"{"city": "Oslo"}"#.to_owned(),
        r#"{"city": "Rome"}"#.to_owned(),
    ];
    assert_eq!(
        parse_with(text, false, true),
        (objects, vec![Repair::SplitObjects])
    );
    stays(
        &(0..=MOST_OBJECTS)
            .map(|n| format!("{{\"n\": {n}}}"))
            .collect::<String>(),
    );
}

#[test]
fn text_that_is_not_an_object_is_unchanged() {
    for text in [
        "{\"a\": 1",
        "{\"a\": [1}",
        "{\"a\": \"x",
        "[1]",
        "1",
        "{}[",
        "{\"a\": 1} and more",
        "{'a': 1}",
        "{a: 1}",
        "}",
        "null null",
    ] {
        stays(text);
    }
    let deep = |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    stays(&deep(100_000));
    stays(&"{\"a\":".repeat(100_000));
}

proptest! {
    #[test]
    fn any_text_is_read_and_gives_only_objects(text in text(), cut: bool, split: bool) {
        let parsed = super::parse(text.clone(), cut, split, false);
        prop_assert!(!parsed.texts.is_empty() && (split || parsed.texts.len() == 1));
        if parsed.objects {
            prop_assert!(parsed.texts.iter().all(|text| is_object(text)));
        } else {
            prop_assert_eq!(&parsed.texts, &[text.as_str()]);
        }
        if is_object(&text) {
            prop_assert_eq!((parsed.texts, parsed.repairs), (vec![text], vec![]));
        }
    }

    #[test]
    fn brackets_are_never_closed(text in text()) {
        let count = |text: &str, bracket: char| text.matches(bracket).count();
        let parsed = super::parse(text.clone(), true, true, false);
        let kept: usize = parsed.texts.iter().map(|text| count(text, '}')).sum();
        let given = count(&text, '}');
        prop_assert!(kept <= given);
    }
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        "a",
        "\"a\"",
        "1",
        " ",
        "\n",
        "\t",
        "\u{1}",
        "```",
        "json",
        "null",
        "{}",
        "{\"a\":1}",
        "u12",
        "d",
        "é",
        "{\"b\":\"\\d\"}",
        "\u{a0}",
    ]);
    prop_oneof![
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
        any::<String>()
    ]
}
