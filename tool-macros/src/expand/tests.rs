//! The generated code of the four tools of the patient summary, as snapshots.

use syn::{Item, Meta};

#[test]
fn the_patient_tools_expand_to_little_code() {
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/patient_summary/src/tools.rs"
    );
    let file = syn::parse_file(&std::fs::read_to_string(source).unwrap()).unwrap();
    let mut tools = 0;
    for item in file.items {
        let Item::Fn(mut function) = item else {
            continue;
        };
        let Some(position) = function
            .attrs
            .iter()
            .position(|attr| attr.path().is_ident("tool"))
        else {
            continue;
        };
        let Meta::List(options) = function.attrs.remove(position).meta else {
            panic!("without options")
        };
        // The body is the user's own.
        function.block = syn::parse_quote!({ body() });
        let expanded = crate::try_tool(options.tokens, &function).unwrap();
        let expanded = prettyplease::unparse(&syn::parse2(expanded).unwrap());
        insta::assert_snapshot!(function.sig.ident.to_string(), expanded);
        tools += 1;
    }
    assert_eq!(tools, 4);
}
