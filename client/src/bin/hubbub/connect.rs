//! From the global options to a connection, and from a connection to an operator's.

use crate::cli::Globals;
use crate::door::is_port;
use crate::exit::Failure;
use crate::output::{Form, Output};
use crate::running;
use hubbub_client::{Client, Error, Options};
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The hub's usual port.
const PORT: u16 = 7411;

/// What becomes of a lost connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The command ends: what it was about to do can be repeated by whoever called it.
    End,
    /// The connection is made again: the command is there to listen or to serve.
    Reconnect,
}

impl Globals {
    /// Connects by these options.
    pub async fn connect(&self, lost: Lost) -> Result<Client, Failure> {
        self.connect_with(lost, |options| options).await
    }

    /// Connects by these options and some more.
    pub async fn connect_with(
        &self,
        lost: Lost,
        more: impl FnOnce(Options) -> Options,
    ) -> Result<Client, Failure> {
        let mut options = Options::from_servers(&with_ports(&self.server))
            .agent(concat!("hubbub ", env!("CARGO_PKG_VERSION")))
            .reconnect(lost == Lost::Reconnect)
            // Who stays for a while goes where there is room. Who asks one thing means the server that it
            // named: `drain` and `stats` must not end up at another.
            .follow(lost == Lost::Reconnect);
        if let Some(name) = &self.name {
            options = options.name(name);
        }
        if let Some(limit) = self.timeout {
            options = options.connect_timeout(limit).command_timeout(limit);
        }
        Ok(more(options).connect().await?)
    }

    /// The addresses of a dialect that is spoken on the client port: those given, or the server's.
    pub fn addresses(&self, at: Option<&str>) -> Vec<String> {
        let all = with_ports(at.unwrap_or(&self.server));
        all.split(',').filter(|addr| !addr.is_empty()).map(str::to_owned).collect()
    }

    /// The folder where the servers of this machine tell of themselves.
    pub fn run_folder(&self) -> PathBuf {
        self.run_dir.clone().unwrap_or_else(running::run_folder)
    }

    /// How payloads and replies are written.
    pub fn form(&self, raw: bool) -> Form {
        match (self.json, raw) {
            (true, _) => Form::Json,
            (false, true) => Form::Raw,
            (false, false) => Form::People,
        }
    }

    /// Connects, gives one command, and prints its reply: as it is with `--json`, else as `show` puts
    /// it.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        op: &str,
        args: impl Serialize,
        show: impl FnOnce(&T, &mut Output) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let client = self.connect(Lost::End).await?;
        self.ask_on(client, op, args, show).await
    }

    /// The same on a connection that is there already; it is closed afterwards.
    pub async fn ask_on<T: DeserializeOwned>(
        &self,
        client: Client,
        op: &str,
        args: impl Serialize,
        show: impl FnOnce(&T, &mut Output) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let reply: Box<RawValue> = client.command(op, args).await?;
        let mut out = Output::new();
        if self.json {
            out.json(&reply)?;
        } else {
            show(&read(&reply)?, &mut out)?;
        }
        out.flush()?;
        // The answer is printed: how the goodbye fares is of no interest any more.
        let _ = client.close().await;
        Ok(())
    }

    /// Makes the connection an operator's, with the token that was given or that lies in the data
    /// folder of this machine's server.
    pub async fn become_operator(&self, client: &Client) -> Result<(), Failure> {
        let token = self.operator_token(client)?;
        let _: Box<RawValue> = client.command("operator", json!({ "token": token })).await?;
        Ok(())
    }

    /// The operator token that was given, or that lies in the data folder that was.
    pub fn given_token(&self) -> Result<Option<String>, Failure> {
        if let Some(token) = &self.token {
            return Ok(Some(token.clone()));
        }
        self.data_dir.as_ref().map(|folder| read_token(&folder.join("operator.token"))).transpose()
    }

    /// The operator token of the server that this client is connected to: the given one, or that in the
    /// given data folder, or in the one that the server's file in the run folder tells, or in the default
    /// one.
    pub fn operator_token(&self, client: &Client) -> Result<String, Failure> {
        if let Some(token) = self.given_token()? {
            return Ok(token);
        }
        let told = || running::data_folder_of(&self.run_folder(), &client.server().origin);
        let folder = told().or_else(|| data_folder(|key| std::env::var_os(key)));
        let Some(folder) = folder else {
            let message =
                "this needs the operator token: name it with --token, or its folder with --data-dir";
            return Err(Failure::local(message));
        };
        read_token(&folder.join("operator.token"))
    }
}

/// A list of addresses in which the hub's usual port stands where none was named.
fn with_ports(servers: &str) -> String {
    let with_port = |addr: &str| match addr {
        "" => String::new(),
        addr if addr.contains(':') => addr.to_owned(),
        port if is_port(port) => format!("127.0.0.1:{port}"),
        host => format!("{host}:{PORT}"),
    };
    servers.split(',').map(|addr| with_port(addr.trim())).collect::<Vec<_>>().join(",")
}

fn read_token(path: &Path) -> Result<String, Failure> {
    match std::fs::read_to_string(path) {
        Ok(token) if !token.trim().is_empty() => Ok(token.trim().to_owned()),
        Ok(_) => Err(Failure::local(format!("the operator token {} is empty", path.display()))),
        Err(e) => Err(Failure::local(format!(
            "this needs the operator token, and {} cannot be read ({e}); name the server's data folder \
             with --data-dir or HUBBUB_DATA_DIR, or the token with --token",
            path.display()
        ))),
    }
}

/// The data folder of a server that was not told another, by the rules of the XDG base directories:
/// a relative path in the variable does not count.
pub fn data_folder(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    xdg_folder(env, "XDG_DATA_HOME", ".local/share")
}

/// Where `hubbub` keeps what it remembers between runs.
pub fn state_folder() -> Option<PathBuf> {
    xdg_folder(|key| std::env::var_os(key), "XDG_STATE_HOME", ".local/state")
}

/// Where `hubbub` looks for its configuration.
pub fn config_folder() -> Option<PathBuf> {
    xdg_folder(|key| std::env::var_os(key), "XDG_CONFIG_HOME", ".config")
}

fn xdg_folder(env: impl Fn(&str) -> Option<OsString>, variable: &str, otherwise: &str) -> Option<PathBuf> {
    let absolute = |key| env(key).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(variable).or_else(|| Some(absolute("HOME")?.join(otherwise)))?;
    Some(base.join("hubbub"))
}

/// Reads a reply of the hub as one of the known shapes.
pub fn read<T: DeserializeOwned>(reply: &RawValue) -> Result<T, Failure> {
    serde_json::from_str(reply.get()).map_err(|e| Error::BadReply(e.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn the_usual_port_need_not_be_named() {
        assert_eq!(with_ports("alpha, beta:1,[::1]:2"), "alpha:7411,beta:1,[::1]:2");
        assert_eq!(with_ports(""), "");
        assert_eq!(with_ports("7413,alpha"), "127.0.0.1:7413,alpha:7411");
    }

    #[test]
    fn the_data_folder_follows_xdg() {
        let with = |pairs: &'static [(&str, &str)]| {
            data_folder(|key| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| OsString::from(v)))
        };
        assert_eq!(with(&[("XDG_DATA_HOME", "/d"), ("HOME", "/h")]), Some("/d/hubbub".into()));
        assert_eq!(with(&[("XDG_DATA_HOME", "d"), ("HOME", "/h")]), Some("/h/.local/share/hubbub".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn a_token_that_cannot_be_read_says_what_to_do() {
        let failure = read_token(Path::new("/nonexistent/operator.token")).expect_err("no such file");
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("--data-dir") && failure.message.contains("/nonexistent/"));
    }
}
