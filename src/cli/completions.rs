//! `dumbwaiter completions`: what a shell has to know to complete our commands, made of their definitions.

use super::output::{put, say};
use super::{Cli, Outcome};
use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{generate, shells};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter completions bash > ~/.local/share/bash-completion/completions/dumbwaiter
  dumbwaiter completions zsh > ~/.zfunc/_dumbwaiter
  dumbwaiter completions fish > ~/.config/fish/completions/dumbwaiter.fish
  source <(dumbwaiter completions bash)")]
pub(super) struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(args: &CompletionsArgs) -> Outcome {
    let (mut command, mut script) = (Cli::command(), Vec::new());
    let name = "dumbwaiter";
    match args.shell {
        Shell::Bash => generate(shells::Bash, &mut command, name, &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut command, name, &mut script),
        Shell::Fish => generate(shells::Fish, &mut command, name, &mut script),
    }
    match String::from_utf8(script) {
        Ok(script) => {
            let _ = put(&script.trim_end());
            Outcome::Done
        }
        Err(fault) => {
            say(&fault);
            Outcome::Failed
        }
    }
}
