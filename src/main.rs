//! The `vzarr-publish` command; everything it does lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    vzarr_publish::cli::run(std::env::args_os()).into()
}
