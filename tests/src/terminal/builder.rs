//! How a terminal is to be started: its size, the program in it, and what that finds around it.

use super::screen::Shared;
use super::{pty_size, Terminal};
use crate::{binaries, Hub};
use portable_pty::{native_pty_system, CommandBuilder};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What a program is given of the environment of the tests: without these it may not even start, or
/// not tell why it failed. All else could change what is shown.
const INHERITED: &[&str] = &["PATH", "LD_LIBRARY_PATH", "RUST_BACKTRACE", "LLVM_PROFILE_FILE", "TMPDIR"];

/// How a terminal is to be started.
pub struct Builder {
    program: Option<PathBuf>,
    servers: Vec<String>,
    args: Vec<OsString>,
    env: BTreeMap<String, OsString>,
    rows: u16,
    columns: u16,
    home: Option<PathBuf>,
    light: bool,
    keeps: bool,
}

impl Default for Builder {
    fn default() -> Self {
        let mut env = BTreeMap::new();
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                env.insert((*name).to_owned(), value);
            }
        }
        for (name, value) in
            [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("TZ", "UTC"), ("NO_COLOR", "1")]
        {
            env.insert(name.to_owned(), value.into());
        }
        Builder {
            program: None,
            servers: Vec::new(),
            args: Vec::new(),
            env,
            rows: 24,
            columns: 100,
            home: None,
            light: false,
            keeps: true,
        }
    }
}

impl Builder {
    /// Connects to this hub; to the next one when it is lost, where several are given.
    pub fn hub(self, hub: &Hub) -> Self {
        self.server(hub.addr())
    }

    /// Connects to this address; to the next one when it is lost, where several are given.
    pub fn server(mut self, addr: impl ToString) -> Self {
        self.servers.push(addr.to_string());
        self
    }

    /// Adds arguments as they would be typed.
    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a variable out that is there by default.
    pub fn without_env(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// Shows colours, of which 16 million can be told apart.
    pub fn colours(self) -> Self {
        self.without_env("NO_COLOR").env("COLORTERM", "truecolor")
    }

    /// Has dark text on light ground, for those who ask.
    pub fn light(mut self) -> Self {
        self.light = true;
        self
    }

    /// The size at the start: 24 rows and 100 columns when nothing is said.
    pub fn size(mut self, rows: u16, columns: u16) -> Self {
        (self.rows, self.columns) = (rows, columns);
        self
    }

    /// Takes this folder as the user's instead of a new and empty one, so that a later run finds what
    /// an earlier one has left.
    pub fn home(mut self, path: &Path) -> Self {
        self.home = Some(path.to_owned());
        self
    }

    /// Runs this program instead of `hubbub`.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Keeps no bytes, for programs that write for long.
    pub fn forgets(mut self) -> Self {
        self.keeps = false;
        self
    }

    /// Starts the program.
    pub fn start(self) -> Terminal {
        let own_home =
            self.home.is_none().then(|| tempfile::tempdir().expect("a temporary folder can be made"));
        let home = match (&self.home, &own_home) {
            (Some(path), _) => path.clone(),
            (None, own) => own.as_ref().expect("made where no other is given").path().to_owned(),
        };
        let program = self.program.unwrap_or_else(binaries::hubbub);
        let mut command = CommandBuilder::new(&program);
        if !self.servers.is_empty() {
            command.args(["--server", &self.servers.join(",")]);
        }
        command.args(&self.args);
        command.cwd(&home);
        command.env_clear();
        command.env("HOME", &home);
        command.env("XDG_CONFIG_HOME", home.join("config"));
        command.env("XDG_STATE_HOME", home.join("state"));
        for (name, value) in &self.env {
            command.env(name, value);
        }
        let pair = native_pty_system()
            .openpty(pty_size(self.rows, self.columns))
            .unwrap_or_else(|e| panic!("no pseudo-terminal: {e}"));
        let child = pair
            .slave
            .spawn_command(command)
            .unwrap_or_else(|e| panic!("starting {}: {e}", program.display()));
        // While this end is open, the program's end would not be seen.
        drop(pair.slave);
        let output = pair.master.try_clone_reader().unwrap_or_else(|e| panic!("no way to read: {e}"));
        let keys = pair.master.take_writer().unwrap_or_else(|e| panic!("no way to write: {e}"));
        let keys = Arc::new(Mutex::new(keys));
        let shared = Arc::new(Shared::new(self.rows, self.columns, self.keeps, self.light));
        shared.fill(output, keys.clone());
        let pid = child.process_id().expect("a program that was just started has a number");
        Terminal {
            shared,
            keys,
            child: Mutex::new(child),
            master: Mutex::new(pair.master),
            pid,
            home,
            _own_home: own_home,
        }
    }
}
