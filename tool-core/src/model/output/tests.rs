use super::super::content::{Audio, Image, Link, Resource};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::mem::size_of;

fn bounded(most: usize) -> OutputFormat {
    OutputFormat {
        most,
        structured: false,
    }
}

#[test]
fn json_and_text_are_shortened_differently() {
    let (text, list) = ("word ".repeat(1000), vec!["word"; 1000]);
    let short = ToolOutput::from_text(&text).within(1000);
    assert!(short.text().contains(" bytes left out]\n") && short.truncated());
    assert_eq!(
        ToolOutput::from_serialize(&text).unwrap().within(1000),
        ToolOutput::from_text(&text).within(1000)
    );
    let short = ToolOutput::from_serialize(&list).unwrap().within(1000);
    assert!(
        short
            .text()
            .starts_with(r#"{"truncated":true,"omitted_bytes":6"#),
        "{short}"
    );
    let written = ToolOutput::serialize_within(&list, bounded(1000)).unwrap();
    assert_eq!(written, short);
    assert!(written.truncated() && written.structured().is_none());
    assert_eq!(short.clone().within(1000), short);
}

#[test]
fn outputs_of_the_same_text_are_equal() {
    let number = ToolOutput::from_serialize(&5).unwrap();
    assert_eq!(ToolOutput::from_text("5"), number);
    assert_eq!(number.structured(), Some(5.into()));
    assert_eq!(ToolOutput::from_text("5").structured(), None);
}

#[test]
fn a_value_with_a_schema_is_json_or_an_error() {
    let format = OutputFormat {
        most: 1000,
        structured: true,
    };
    let text = ToolOutput::serialize_within(&"a \"b\"", format).unwrap();
    assert_eq!(text.text(), r#""a \"b\"""#);
    assert_eq!(text.structured(), Some("a \"b\"".into()));
    let error = ToolOutput::serialize_within(&vec!["word"; 1000], format).unwrap_err();
    assert!(error.message_for_model().contains("1000 bytes"), "{error}");
}

#[test]
fn an_output_takes_no_more_room_than_its_text_and_a_word() {
    assert_eq!(size_of::<ToolOutput>(), size_of::<String>() + 8);
}

fn content() -> impl Strategy<Value = Content> {
    let bytes = || vec(any::<u8>(), 0..400);
    prop_oneof![
        ".{0,300}".prop_map(Content::Text),
        bytes().prop_map(|data| Image::new("image/png", data).into()),
        bytes().prop_map(|data| Audio::new("audio/wav", data).into()),
        (".{0,40}", ".{0,300}").prop_map(|(uri, text)| {
            Resource::text(uri, text)
                .with_mime_type("text/plain")
                .into()
        }),
        (".{0,40}", bytes()).prop_map(|(uri, data)| Resource::blob(uri, data).into()),
        (".{0,40}", ".{0,400}")
            .prop_map(|(uri, about)| { Link::new(uri, "name").with_description(about).into() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn content_is_recognised_however_it_is_returned(blocks in vec(content(), 1..5)) {
        #[derive(Serialize)]
        struct Newtype<T>(T);
        let output = ToolOutput::from_blocks(blocks.clone());
        prop_assert_eq!(output.blocks(), &blocks[..]);
        let written = |value: &dyn Fn() -> Result<ToolOutput, ToolError>| value().unwrap();
        prop_assert_eq!(&written(&|| ToolOutput::from_serialize(&blocks)), &output);
        prop_assert_eq!(&written(&|| ToolOutput::from_serialize(&Some(Newtype(&blocks)))), &output);
        prop_assert_eq!(&written(&|| ToolOutput::from_serialize(&output)), &output);
        prop_assert_eq!(&written(&|| ToolOutput::from_serialize(&[&output])), &output);
        let first = ToolOutput::from(blocks[0].clone());
        prop_assert_eq!(&written(&|| ToolOutput::from_serialize(&Newtype(&blocks[0]))), &first);
        prop_assert_eq!(&written(&|| ToolOutput::from_serialize(&(Newtype(&blocks[0]),))), &first);
    }

    #[test]
    fn outputs_are_stored_and_read_back(blocks in vec(content(), 0..5), most in 0..2000_usize) {
        let output = ToolOutput::from_blocks(blocks).within(most);
        let stored = serde_json::to_string(&output).unwrap();
        let read: ToolOutput = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(&read, &output);
        prop_assert_eq!(read.truncated(), output.truncated());
    }

    #[test]
    fn output_within_the_bound_stays_and_the_rest_is_replaced(blocks in vec(content(), 1..8), most in 0..2000_usize) {
        let output = ToolOutput::from_blocks(blocks);
        let short = output.clone().within(most);
        let most = most.max(bounded::LEAST);
        prop_assert!(short.encoded_len() <= most, "{} of {}", short.encoded_len(), most);
        prop_assert!(short.text().len() <= most, "{} of {}", short.text().len(), most);
        let noted = output.clone().within_and(most, "see there".to_owned());
        prop_assert!(noted.text().len() <= most && noted.truncated());
        prop_assert!(noted.text().ends_with("see there"));
        prop_assert_eq!(short.truncated(), short != output);
        prop_assert_eq!(short.truncated(), output.encoded_len() > most);
        prop_assert_eq!(&short.clone().within(most), &short);
        if short.truncated() {
            let text = short.text();
            prop_assert!(text.contains("left out"), "{text}");
        }
    }
}

fn texts(value: &impl Serialize) -> Vec<String> {
    let output = ToolOutput::serialize_within(value, bounded(1000)).unwrap();
    let blocks = output.blocks().iter();
    blocks.map(|block| block.to_text().into_owned()).collect()
}

#[test]
fn beside_content_everything_is_a_block() {
    let (image, shown) = (
        || Image::new("image/png", b"abc"),
        "[image: image/png, 3 bytes, not shown]",
    );
    assert_eq!(texts(&("a chart", image())), ["a chart", shown]);
    assert_eq!(texts(&(image(), "a chart", 7)), [shown, "a chart", "7"]);
    assert_eq!(texts(&[None, Some(image()), None]), [shown]);
    assert_eq!(texts(&[Some(image()), None, Some(image())]), [shown, shown]);
    assert_eq!(
        texts(&(7, "x", [1], image(), vec![image()])),
        ["7", "x", "[1]", shown, shown]
    );
    let long = "x".repeat(5000);
    let output = ToolOutput::serialize_within(&(&long, image()), bounded(1000)).unwrap();
    assert!(output.truncated() && output.encoded_len() <= 1000);
}

#[test]
fn text_after_content_is_bounded() {
    let deep = (0..200).fold(serde_json::json!(0), |inner, _| serde_json::json!([inner]));
    let image = Image::new("image/png", b"abc");
    let error = ToolOutput::serialize_within(&(&image, &deep), bounded(1000)).unwrap_err();
    assert!(error.message_for_model().contains("128 deep"), "{error}");
    let many = vec!["word"; 100_000];
    let output = ToolOutput::serialize_within(&(&image, &many), bounded(1000)).unwrap();
    assert!(output.truncated() && output.encoded_len() <= 1000);
}

#[test]
fn each_element_is_serialised_once() {
    struct Once(std::cell::Cell<Option<u8>>);
    impl Serialize for Once {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.take().serialize(serializer)
        }
    }
    let list = [Once(Some(1).into()), Once(Some(2).into())];
    assert_eq!(ToolOutput::from_serialize(&list).unwrap().text(), "[1,2]");
}

#[test]
fn a_structured_tool_may_return_an_output_that_is_a_value() {
    let format = OutputFormat {
        most: 1000,
        structured: true,
    };
    let value = serde_json::json!({"a": 1});
    let output = ToolOutput::from_serialize(&value).unwrap();
    let output = ToolOutput::serialize_within(&Some(output), format).unwrap();
    assert_eq!(output.structured(), Some(value));
    let text = ToolOutput::serialize_within(&ToolOutput::from_text("a"), format);
    let error = text.unwrap_err();
    assert!(error.message_for_model().contains("publishes the schema"));
}

#[test]
fn lists_of_anything_else_are_json() {
    assert_eq!(
        ToolOutput::from_serialize(&Vec::<Content>::new())
            .unwrap()
            .text(),
        "[]"
    );
    assert_eq!(ToolOutput::from_blocks(Vec::<Content>::new()).text(), "[]");
    assert_eq!(
        ToolOutput::from_serialize(&("a", 1)).unwrap().text(),
        r#"["a",1]"#
    );
    let image = Image::new("image/png", b"abc");
    assert_eq!(
        ToolOutput::from_serialize(&serde_json::json!({"chart": image}))
            .unwrap()
            .text(),
        r#"{"chart":{"type":"image","data":"YWJj","mimeType":"image/png"}}"#
    );
}

#[test]
fn blocks_are_named_as_text() {
    let blocks: [Content; 6] = [
        "Found:".into(),
        Image::new("image/png", b"abc").into(),
        Audio::new("audio/wav", b"").into(),
        Resource::text("file:///a.txt", "A").into(),
        Resource::blob("file:///b", b"abc")
            .with_mime_type("application/pdf")
            .into(),
        Link::new("https://a.example", "A")
            .with_description("the first")
            .into(),
    ];
    assert_eq!(
        ToolOutput::from_blocks(blocks).text(),
        "Found:\n[image: image/png, 3 bytes, not shown]\n[audio: audio/wav, 0 bytes, not shown]\n\
         [resource: file:///a.txt]\nA\n[resource: file:///b, application/pdf, 3 bytes, not shown]\n\
         [link: A, https://a.example, the first]"
    );
}
