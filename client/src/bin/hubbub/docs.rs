//! `hubbub completions` and `hubbub man`: both come from the table of arguments in `cli.rs`.

use crate::cli::Cli;
use crate::exit::Failure;
use crate::output::Output;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use std::path::{Path, PathBuf};

/// Print a completion script
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub completions bash > ~/.local/share/bash-completion/completions/hubbub
  hubbub completions zsh > ~/.zfunc/_hubbub
  hubbub completions fish > ~/.config/fish/completions/hubbub.fish")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// `hubbub completions`
pub fn completions(args: CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hubbub", &mut script);
    print(&script)
}

/// Print the manual page
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub man | man -l -
  hubbub man pub | man -l -
  hubbub man --dir ~/.local/share/man/man1")]
pub struct ManArgs {
    /// The subcommand whose page to print
    subcommand: Option<String>,
    /// Write all pages into this folder
    #[arg(long, value_name = "PATH", conflicts_with = "subcommand")]
    dir: Option<PathBuf>,
}

/// `hubbub man`
pub fn man(args: ManArgs) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    if let Some(folder) = args.dir {
        return write_all(command, &folder);
    }
    let command = match args.subcommand {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(&name).cloned();
            found.ok_or_else(|| Failure::local(format!("there is no subcommand {name}")))?
        }
    };
    print(&page(command)?)
}

fn write_all(command: Command, folder: &Path) -> Result<(), Failure> {
    let subcommands = command.get_subcommands().filter(|c| c.get_name() != "help");
    let pages: Vec<Command> = subcommands.cloned().chain([command.clone()]).collect();
    for command in pages {
        // A built subcommand is called as its page is: `hubbub-pub`.
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = folder.join(format!("{name}.1"));
        let cannot = |e| Failure::local(format!("cannot write {}: {e}", path.display()));
        std::fs::write(&path, page(command)?).map_err(cannot)?;
    }
    Ok(())
}

fn page(command: Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command).source(concat!("hubbub ", env!("CARGO_PKG_VERSION"))).render(&mut page)?;
    Ok(page)
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = Output::new();
    out.bytes(bytes)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_has_a_page() {
        let mut command = Cli::command();
        command.build();
        for sub in command.get_subcommands().cloned() {
            let name = sub.get_name().to_owned();
            let page = page(sub).unwrap_or_else(|f| panic!("{name}: {}", f.message));
            let page = String::from_utf8_lossy(&page);
            assert!(page.contains(&format!(".TH hubbub-{name} 1")), "{page}");
        }
    }
}
