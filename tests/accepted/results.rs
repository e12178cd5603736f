use std::error::Error;
use std::fmt;
use std::io;
use tool_core::{ToolError, tool, tools};

type Outcome<T> = Result<T, Refused>;
type Answer = Outcome<String>;

#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

struct Worded(&'static str);

impl fmt::Display for Worded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[derive(Debug)]
struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl Error for Failed {}

#[derive(serde::Serialize)]
struct Ward {
    number: u32,
}

macro_rules! tools_returning {
    ($($name:ident: $ty:ty = $value:expr;)*) => {
        $(
            /// Return a value.
            #[tool]
            async fn $name() -> $ty {
                $value
            }
        )*
        #[test]
        fn is_accepted() {
            assert!(tools![$($name),*].len() > 20);
        }
    };
}

tools_returning! {
    unit: () = ();
    number: u32 = 1;
    text: String = String::new();
    static_text: &'static str = "";
    optional: Option<Ward> = None;
    list: Vec<Ward> = vec![Ward { number: 1 }];
    borrowed: &'static [u8] = &[];
    value: serde_json::Value = serde_json::Value::Null;
    any: impl serde::Serialize = 1;
    boxed: Box<Ward> = Box::new(Ward { number: 1 });
    io_result: io::Result<u32> = Ok(1);
    fmt_result: fmt::Result = Ok(());
    anyhow_result: anyhow::Result<u32> = Ok(1);
    own_alias: Outcome<u32> = Err(Refused);
    whole_alias: Answer = Err(Refused);
    text_error: Result<u32, String> = Ok(1);
    static_text_error: Result<u32, &'static str> = Ok(1);
    boxed_error: Result<u32, Box<dyn Error + Send + Sync>> = Ok(1);
    our_error: Result<u32, ToolError> = Ok(1);
    std_error: Result<u32, Failed> = Err(Failed);
    display_error: Result<u32, Worded> = Err(Worded("no"));
    unit_result: Result<(), Failed> = Ok(());
    any_result: Result<impl serde::Serialize, Failed> = Ok(1);
    spelled_out: std::result::Result<u32, std::num::ParseIntError> = "1".parse();
}
