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
  hubbub man bench pub | man -l -
  hubbub man --dir ~/.local/share/man/man1")]
pub struct ManArgs {
    /// The subcommand whose page to print
    subcommand: Vec<String>,
    /// Write all pages into this folder
    #[arg(long, value_name = "PATH", conflicts_with = "subcommand")]
    dir: Option<PathBuf>,
}

/// `hubbub man`
pub fn man(args: ManArgs) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    if let Some(folder) = args.dir {
        return write_all(&command, &folder);
    }
    for name in &args.subcommand {
        let found = command.find_subcommand(name).cloned();
        command = found.ok_or_else(|| Failure::local(format!("there is no subcommand {name}")))?;
    }
    print(&page(command)?)
}

/// A command and all below it.
fn with_subcommands(command: &Command) -> Vec<Command> {
    let below = command.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set());
    std::iter::once(command.clone()).chain(below.flat_map(with_subcommands)).collect()
}

fn write_all(command: &Command, folder: &Path) -> Result<(), Failure> {
    for command in with_subcommands(command) {
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
        let all = with_subcommands(&command);
        let names: Vec<_> =
            all.iter().map(|c| c.get_display_name().unwrap_or_else(|| c.get_name())).collect();
        assert!(
            names.contains(&"hubbub") && names.contains(&"hubbub-pub") && names.contains(&"hubbub-bench-pub")
        );
        for (name, command) in names.iter().zip(&all) {
            let page = page(command.clone()).unwrap_or_else(|f| panic!("{name}: {}", f.message));
            let page = String::from_utf8_lossy(&page);
            assert!(page.contains(&format!(".TH {name} 1")), "{page}");
        }
    }
}
