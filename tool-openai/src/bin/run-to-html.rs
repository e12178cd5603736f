//! Makes a page for a browser of a recording of a run.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;

use tool_openai::recording::to_html;

const HELP: &str = "\
Makes a page for a browser of a recording of a run, and writes it to stdout.

Usage: run-to-html FILE

  FILE        a recording, as tool_openai::recording::Recorder writes it; - for stdin
  -h, --help  print this
";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let file = match &arguments[..] {
        [flag] if flag == "-h" || flag == "--help" => return exit_code(print(HELP)),
        [file] if file == "-" || !file.to_string_lossy().starts_with('-') => file,
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    let recording: io::Result<Box<dyn BufRead>> = match file == "-" {
        true => Ok(Box::new(io::stdin().lock())),
        false => File::open(file).map(|file| Box::new(BufReader::new(file)) as _),
    };
    let page = recording.map_err(Into::into).and_then(to_html);
    let name = file.to_string_lossy();
    match page {
        Ok(page) => exit_code(print(&page)),
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn exit_code(printed: io::Result<()>) -> ExitCode {
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the page cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}
