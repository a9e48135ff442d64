//! The stand-ins' one program; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let arguments = std::env::args_os().map(lossy).collect();
    let environment = std::env::vars_os().map(|(key, value)| (lossy(key), lossy(value))).collect();
    standin::run(arguments, environment)
}
