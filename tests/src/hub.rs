//! Starts the real `hubbubd` with a folder of its own on free ports, and ends it with the test.

use crate::client::Client;
use crate::process::Process;
use crate::socket::Socket;
use crate::{binaries, wait};
use hubbub_shared::Encoding;
use rustix::process::Signal;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How a hub is to be started.
pub struct Builder {
    args: Vec<String>,
    env: Vec<(String, String)>,
    listen: String,
    peer_listen: String,
    descriptors: Option<u32>,
    data_dir: Option<PathBuf>,
    run_dir: Option<PathBuf>,
    within: Vec<String>,
    dir: tempfile::TempDir,
}

/// A hub that serves. It is killed when it is dropped.
pub struct Hub {
    child: Child,
    dir: tempfile::TempDir,
    data_dir: PathBuf,
    run_dir: PathBuf,
    addr: SocketAddr,
    ready: Value,
}

/// Starts to describe a hub.
pub fn builder() -> Builder {
    let dir =
        tempfile::Builder::new().prefix("hubbub-test-").tempdir().expect("a temporary folder can be made");
    Builder {
        args: Vec::new(),
        env: Vec::new(),
        listen: "127.0.0.1:0".into(),
        peer_listen: "127.0.0.1:0".into(),
        descriptors: None,
        data_dir: None,
        run_dir: None,
        within: Vec::new(),
        dir,
    }
}

impl Builder {
    /// Adds arguments as they would be typed.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Listens on this address instead of a free port.
    pub fn listen(mut self, addr: impl ToString) -> Self {
        self.listen = addr.to_string();
        self
    }

    /// Listens for other servers on this address instead of a free port.
    pub fn peer_listen(mut self, addr: impl ToString) -> Self {
        self.peer_listen = addr.to_string();
        self
    }

    /// Gives the server a name.
    pub fn name(self, name: &str) -> Self {
        self.args(["--name", name])
    }

    /// Meets the servers of this run folder instead of nobody.
    pub fn run_dir(mut self, path: &Path) -> Self {
        self.run_dir = Some(path.to_owned());
        self
    }

    /// Lets the hub hold so many file descriptors at the most.
    pub fn descriptors(mut self, limit: u32) -> Self {
        self.descriptors = Some(limit);
        self
    }

    /// Keeps its data there instead of in a folder of its own.
    pub fn data_dir(mut self, path: &Path) -> Self {
        self.data_dir = Some(path.to_owned());
        self
    }

    /// Starts it by another program, which must become it (`ip netns exec NAME`).
    pub fn within<S: Into<String>>(mut self, program: impl IntoIterator<Item = S>) -> Self {
        self.within = program.into_iter().map(Into::into).collect();
        self
    }

    /// The folder in which everything of this hub lies.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts the hub and waits until it serves.
    pub fn start(self) -> Hub {
        let name = format!("{:?}", self.args);
        self.try_start().unwrap_or_else(|log| panic!("hubbubd {name} did not come up:\n{log}"))
    }

    /// Starts the hub; when it ends before it serves, its status and its log are the error.
    pub fn try_start(self) -> Result<Hub, String> {
        let data_dir = self.data_dir.clone().unwrap_or_else(|| self.dir.path().join("data"));
        let run_dir = self.run_dir.clone().unwrap_or_else(|| self.dir.path().join("run"));
        let ready_file = self.dir.path().join("ready.json");
        let mut command = self.command();
        command.arg("--listen").arg(&self.listen).arg("--peer-listen").arg(&self.peer_listen);
        command.arg("--run-dir").arg(&run_dir);
        command.arg("--data-dir").arg(&data_dir).arg("--ready-file").arg(&ready_file).args(&self.args);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("starting hubbubd: {e}"));
        let ready = wait::within(wait::PATIENCE, || {
            if let Ok(text) = std::fs::read_to_string(&ready_file) {
                // The file appears whole, so what is there must parse.
                return Some(Ok(serde_json::from_str::<Value>(&text).expect("the ready file is JSON")));
            }
            child.try_wait().expect("a child can be waited for").map(Err)
        });
        let log = || read_log(self.dir.path());
        let ready = match ready {
            Some(Ok(ready)) => ready,
            Some(Err(status)) => return Err(format!("{status}\n{}", log())),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no ready file in time\n{}", log()));
            }
        };
        let addr = ready["client_addr"].as_str().and_then(|a| a.parse().ok());
        let addr = addr.unwrap_or_else(|| panic!("the ready file names no client_addr: {ready}"));
        Ok(Hub { child, data_dir, run_dir, addr, ready, dir: self.dir })
    }

    /// `hubbubd` without any of the arguments, with its output in files and no option from outside.
    pub fn command(&self) -> Command {
        let mut command = match (self.descriptors, self.within.as_slice()) {
            (None, []) => Command::new(binaries::hubbubd()),
            (None, [program, args @ ..]) => {
                let mut command = Command::new(program);
                command.args(args).arg(binaries::hubbubd());
                command
            }
            (Some(limit), _) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
                shell.arg("-c").arg(script).arg(binaries::hubbubd());
                shell
            }
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HUBBUB_") {
                command.env_remove(name);
            }
        }
        let file = |name| std::fs::File::create(self.dir.path().join(name)).expect("a file can be made");
        command.envs(self.env.iter().map(|(k, v)| (k, v))).current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        command
    }
}

fn read_log(dir: &Path) -> String {
    let read = |name| std::fs::read(dir.join(name)).map(|b| String::from_utf8_lossy(&b).into_owned());
    format!("{}{}", read("stdout").unwrap_or_default(), read("stderr").unwrap_or_default())
}

impl Hub {
    /// A hub with every default.
    pub fn start() -> Hub {
        builder().start()
    }

    /// A hub with these arguments.
    pub fn with<const N: usize>(args: [&str; N]) -> Hub {
        builder().args(args).start()
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where other servers connect.
    pub fn peer_addr(&self) -> SocketAddr {
        let addr = self.ready["peer_addr"].as_str().and_then(|addr| addr.parse().ok());
        addr.unwrap_or_else(|| panic!("the ready file names no peer_addr: {}", self.ready))
    }

    /// Where a door is.
    pub fn door_addr(&self, door: &str) -> SocketAddr {
        let addr = self.ready["doors"][door].as_str().and_then(|addr| addr.parse().ok());
        addr.unwrap_or_else(|| panic!("the ready file names no door {door}: {}", self.ready))
    }

    /// A raw connection to a door.
    pub fn door(&self, door: &str) -> Socket {
        Socket::connect(self.door_addr(door))
    }

    /// What its messages say that they come from.
    pub fn origin(&self) -> &str {
        self.ready["origin"].as_str().unwrap_or_else(|| panic!("no origin: {}", self.ready))
    }

    /// What the ready file says.
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The folder of its data.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The folder where other servers of this machine find it.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// The process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// All that it has written so far, to both outputs.
    pub fn log(&self) -> String {
        read_log(self.dir.path())
    }

    /// Waits until it has written this, since it logs beside its work, and gives all that it has
    /// written.
    #[track_caller]
    pub fn logged(&self, part: &str) -> String {
        let found = wait::within(wait::PATIENCE, || Some(self.log()).filter(|log| log.contains(part)));
        found.unwrap_or_else(|| panic!("{part:?} was not logged:\n{}", self.log()))
    }

    /// What it has written to its error output so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stderr")).expect("its error output is a file")
    }

    /// What it has written to its standard output so far.
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stdout")).expect("its output is a file")
    }

    /// The operator token, as an operator reads it.
    pub fn token(&self) -> String {
        let path = self.data_dir.join("operator.token");
        let token = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        token.trim().to_owned()
    }

    /// A raw connection.
    pub fn socket(&self) -> Socket {
        Socket::connect(self.addr)
    }

    /// A client that speaks one of the encodings.
    pub fn client(&self, encoding: Encoding) -> Client {
        Client::connect(self.addr, encoding)
    }

    /// A client with a name.
    pub fn named(&self, encoding: Encoding, name: &str) -> Client {
        let mut client = self.client(encoding);
        client.ask(&format!("name {name}")).ok();
        client
    }

    /// An operator, speaking JSON.
    pub fn operator(&self) -> Client {
        let mut client = self.client(Encoding::Json);
        client.ask(&format!("operator {}", self.token())).ok();
        client
    }

    /// One number of `stats`.
    pub fn stat(&self, key: &str) -> u64 {
        let reply = self.client(Encoding::Json).ask("stats");
        let ok = reply.json();
        ok[key].as_u64().unwrap_or_else(|| panic!("stats has no number {key}: {ok}"))
    }

    /// Asks it to stop, as a service manager does.
    pub fn terminate(&self) {
        self.process().signal(Signal::TERM);
    }

    /// Kills it without a warning, and returns its address and folder for the next one.
    pub fn kill(mut self) -> (SocketAddr, PathBuf) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        (self.addr, self.data_dir.clone())
    }

    /// Waits until it has ended.
    pub fn wait_end(&mut self) -> ExitStatus {
        self.wait_end_within(wait::PATIENCE)
    }

    /// Waits until it has ended, so long at the most.
    pub fn wait_end_within(&mut self, limit: Duration) -> ExitStatus {
        wait::within(limit, || self.child.try_wait().expect("a child can be waited for"))
            .unwrap_or_else(|| panic!("hubbubd has not ended after {limit:?}"))
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let status = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(8000);
            let tail = log.get(from..).unwrap_or(&log);
            eprintln!("--- hubbubd at {} ({status:?}) wrote:\n{tail}\n---", self.addr);
        }
    }
}
