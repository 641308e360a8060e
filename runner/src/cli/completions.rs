//! `sluice completions`, `sluice man`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Exit, out};
use crate::fault::Fault;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  sluice completions bash > /etc/bash_completion.d/sluice")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn completions(args: &Args) -> Result<Exit, Fault> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sluice", &mut text);
    out::say(&String::from_utf8_lossy(&text));
    Ok(Exit::Succeeded)
}

pub(super) fn man() -> Result<Exit, Fault> {
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(Cli::command());
    page.render(&mut text).map_err(|error| Fault::system(format!("the manual page cannot be written: {error}")))?;
    out::say(&String::from_utf8_lossy(&text));
    Ok(Exit::Succeeded)
}
