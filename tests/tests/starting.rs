//! Several servers on one machine with nothing configured: their names, ports and data folders, how
//! they are found, and what a crash leaves.
#![allow(clippy::unwrap_used)]

use hubbub_tests::{binaries, hub, program, wait, Cluster, Encoding, Program};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A user who starts servers without options: with a home and a run folder of this test alone.
struct User {
    dir: tempfile::TempDir,
}

/// A server that this user has started; killed when it is dropped.
struct Server {
    child: Child,
    log: PathBuf,
    ready: Value,
}

impl User {
    fn new() -> User {
        User { dir: tempfile::tempdir().unwrap() }
    }

    fn hubbubd(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binaries::hubbubd());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUBBUB_"))
        {
            command.env_remove(name);
        }
        command.env("XDG_DATA_HOME", self.dir.path()).env("HUBBUB_RUN_DIR", self.dir.path().join("run"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Starts servers at the same moment, on free ports unless the options say otherwise.
    fn start_all(&self, all: &[&[&str]]) -> Vec<Server> {
        let started = all.iter().map(|args| {
            let id = uuid();
            let (ready, log) = (self.dir.path().join(format!("{id}.ready")), self.dir.path().join(id));
            let file = std::fs::File::create(&log).unwrap();
            let mut command = self.hubbubd(args);
            command.env("HUBBUB_READY_FILE", &ready).stdout(file).stderr(Stdio::null());
            let server = Server { child: command.spawn().unwrap(), log, ready: Value::Null };
            (server, ready)
        });
        // All of them, before any is waited for.
        let started: Vec<_> = started.collect();
        let wait = |(mut server, ready): (Server, PathBuf)| {
            server.ready = wait::until("a server", || {
                assert!(server.child.try_wait().unwrap().is_none(), "it ended: {}", server.log());
                serde_json::from_str(&std::fs::read_to_string(&ready).ok()?).ok()
            });
            server
        };
        started.into_iter().map(wait).collect()
    }

    fn start(&self, args: &[&str]) -> Server {
        self.start_all(&[args]).remove(0)
    }

    fn free(&self, args: &[&str]) -> Server {
        self.start(&[&FREE[..], args].concat())
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let output = self.hubbubd(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("hubbub")
    }
}

/// Ports that nobody else has.
const FREE: [&str; 4] = ["--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];

impl Server {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn name(&self) -> &str {
        self.ready["name"].as_str().unwrap()
    }

    fn addr(&self, which: &str) -> SocketAddr {
        self.ready[which].as_str().unwrap().parse().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has written this, and gives all that it has written.
    fn logged(&self, part: &str) -> String {
        wait::until(part, || Some(self.log()).filter(|log| log.contains(part)))
    }

    fn ended(&mut self) -> Option<i32> {
        wait::until("its end", || self.child.try_wait().unwrap()).code()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name for a file that no other has.
fn uuid() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("server-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn runs(user: &User) -> usize {
    let files = std::fs::read_dir(user.dir.path().join("run")).unwrap();
    files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains(".json")).count()
}

/// Runs a test of this file again in a network of its own, where all ports are free. False where the
/// system gives none, or where this is that run: then it is to be done here.
fn elsewhere(test: &str) -> bool {
    if alone() {
        return false;
    }
    let mut command = Command::new("unshare");
    command.args(["-rn", "sh", "-c", "ip link set lo up && touch \"$1\" && exec \"$0\" --exact \"$2\""]);
    let dir = tempfile::tempdir().unwrap();
    let up = dir.path().join("up");
    let own = std::env::current_exe().unwrap();
    let output = command.arg(own).arg(&up).arg(test).env("STARTING_ALONE", "1").output();
    if !up.exists() {
        return false;
    }
    let output = output.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    true
}

/// Whether no other program can have a port.
fn alone() -> bool {
    std::env::var_os("STARTING_ALONE").is_some()
}

#[test]
fn the_second_server_has_another_name_other_ports_and_another_folder() {
    if elsewhere("the_second_server_has_another_name_other_ports_and_another_folder") {
        return;
    }
    let user = User::new();
    let (first, second) = (user.start(&[]), user.start(&[]));
    assert_eq!(second.name(), format!("{}-2", first.name()));
    let ports = |server: &Server| (server.addr("client_addr").port(), server.addr("peer_addr").port());
    if alone() {
        assert_eq!((ports(&first), ports(&second)), ((7411, 7412), (7413, 7414)));
    }
    for port in [ports(&first), ports(&second)] {
        assert!(port.0 >= 7411 && port.0 % 2 == 1 && port.1 % 2 == 0, "{port:?}");
    }
    assert!(ports(&second).0 > ports(&first).0 && ports(&second).1 > ports(&first).1);
    let log = second.logged("the usual port for other servers is");
    let pid = first.pid().to_string();
    for (part, also) in [
        ("the host's name is taken", &*pid),
        ("the usual port for clients is", &*ports(&second).0.to_string()),
        ("the usual port for other servers is", &*ports(&second).1.to_string()),
    ] {
        assert!(log.lines().any(|line| line.contains(part) && line.contains(also)), "{part} {also}: {log}");
    }
    assert!(!first.log().contains("the host's name is taken"));

    let token = |folder: PathBuf| std::fs::read_to_string(folder.join("operator.token")).unwrap();
    assert_ne!(token(user.data()), token(user.data().join(second.name())));
    for server in [&first, &second] {
        let mut client = hubbub_tests::Client::connect(server.addr("client_addr"), Encoding::Json);
        let reply = client.ask("servers");
        let reply = reply.json();
        let own = &reply["servers"][0];
        assert_eq!(own["peer_addr"], server.ready["peer_addr"], "{reply}");
    }
}

#[test]
fn ports_of_other_programs_are_passed_over_and_given_ones_are_not() {
    if elsewhere("ports_of_other_programs_are_passed_over_and_given_ones_are_not") || !alone() {
        return;
    }
    let user = User::new();
    // One is enough: the peer port is one number for both protocols.
    let client = std::net::TcpListener::bind("127.0.0.1:7411").unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:7412").unwrap();
    let server = user.start(&[]);
    assert_eq!((server.addr("client_addr").port(), server.addr("peer_addr").port()), (7413, 7414));
    server.logged("taken by another program");
    let (code, _, told) = user.run(&["--listen", "127.0.0.1:7411", "--name", "beta"]);
    assert!(code == Some(1) && told.contains("127.0.0.1:7411"), "{told}");
    let (code, _, told) = user.run(&["--peer-listen", "127.0.0.1:7412", "--name", "beta"]);
    assert!(code == Some(1) && told.contains("other servers on 127.0.0.1:7412"), "{told}");
    assert_eq!(runs(&user), 1, "who did not start is not found");
    drop((client, udp));
}

#[test]
fn servers_that_start_at_once_have_names_and_folders_of_their_own() {
    const SERVERS: usize = 8;
    let user = User::new();
    let servers = user.start_all(&[&FREE[..]; SERVERS]);
    let names: BTreeSet<&str> = servers.iter().map(Server::name).collect();
    assert_eq!(names.len(), SERVERS, "{names:?}");
    let shortest = names.iter().min_by_key(|name| name.len()).unwrap();
    let numbered: BTreeSet<String> = (2..=SERVERS).map(|number| format!("{shortest}-{number}")).collect();
    assert!(numbered.iter().all(|name| names.contains(&**name)), "{names:?}");
    assert_eq!(runs(&user), SERVERS);
    let peers: BTreeSet<SocketAddr> = servers.iter().map(|server| server.addr("peer_addr")).collect();
    assert_eq!(peers.len(), SERVERS);
}

#[test]
fn a_given_name_is_not_shared() {
    let user = User::new();
    let alpha = user.free(&["--name", "alpha"]);
    let (code, _, told) = user.run(&[&FREE[..], &["--name", "Alpha"]].concat());
    assert_eq!(code, Some(1), "{told}");
    for part in [alpha.pid().to_string(), alpha.addr("client_addr").to_string(), "--name".into()] {
        assert!(told.contains(&part), "no {part} in {told}");
    }
    assert!(user.data().join("alpha/operator.token").exists(), "a given name has a folder of its own");
    // Strangers may be called alike.
    let other = user.free(&["--name", "alpha", "--cluster", "blue", "--data-dir", "blue"]);
    assert_eq!(other.name(), "alpha");
}

#[test]
fn what_a_killed_server_left_is_free_again() {
    let user = User::new();
    let mut first = user.free(&[]);
    let name = first.name().to_owned();
    let _second = user.free(&[]);
    first.kill();
    assert_eq!(runs(&user), 2, "nobody took its file away yet");
    let again = user.free(&[]);
    assert_eq!(again.name(), name);
    assert_eq!(runs(&user), 2, "the stale file was swept");
}

#[test]
fn one_running_server_is_found_wherever_its_folder_is() {
    let user = User::new();
    let mut server = user.free(&["--data-dir", "elsewhere"]);
    let (code, text, _) = user.run(&["status"]);
    assert!(code == Some(0) && text.contains(&format!("pid       {}\n", server.pid())), "{text}");
    assert!(text.contains(&format!("peers     {}\n", server.addr("peer_addr"))), "{text}");
    let (code, text, _) = user.run(&["shutdown"]);
    assert!(code == Some(0) && text.contains(&server.pid().to_string()), "{text}");
    assert_eq!(server.ended(), Some(0));
    assert_eq!(user.run(&["status"]).0, Some(1));
    assert_eq!(runs(&user), 0, "it went from the run folder");
}

#[test]
fn of_several_servers_all_are_told_and_only_a_named_one_is_ended() {
    let user = User::new();
    let (mut alpha, beta) = (user.free(&["--name", "alpha"]), user.free(&["--name", "beta"]));
    let (code, text, _) = user.run(&["status"]);
    assert_eq!(code, Some(0), "{text}");
    for part in
        [&alpha, &beta].map(|server| format!("pid       {}\nname      {}\n", server.pid(), server.name()))
    {
        assert!(text.contains(&part), "{text}");
    }
    let (code, json, _) = user.run(&["status", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let servers = json["servers"].as_array().unwrap().iter();
    let names: Vec<&str> = servers.map(|one| one["serving"]["name"].as_str().unwrap()).collect();
    assert_eq!((code, &json["running"], names), (Some(0), &Value::Bool(true), vec!["alpha", "beta"]));
    let (code, text, _) = user.run(&["status", "--name", "beta"]);
    assert!(code == Some(0) && text.contains("beta") && !text.contains("alpha"), "{text}");
    assert_eq!(user.run(&["status", "--cluster", "blue"]).0, Some(1));
    assert_eq!(user.run(&["status", "--run-dir", "absent"]).0, Some(1));

    let (code, _, told) = user.run(&["shutdown"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("alpha") && told.contains(&beta.pid().to_string()), "{told}");
    assert!(told.contains("--name"), "{told}");
    assert_eq!(user.run(&["shutdown", "--name", "gamma"]).0, Some(1));
    assert_eq!(user.run(&["shutdown", "--name", "Alpha"]).0, Some(0));
    assert_eq!(alpha.ended(), Some(0));
    let (code, text, _) = user.run(&["status"]);
    assert!(code == Some(0) && text.contains("beta") && !text.contains("alpha"), "{text}");
}

#[test]
fn a_run_folder_of_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let user = User::new();
    let run_dir = user.dir.path().join("run");
    std::fs::create_dir(&run_dir).unwrap();
    std::fs::set_permissions(&run_dir, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (code, _, told) = user.run(&FREE);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("can be written by other users") && told.contains("--run-dir"), "{told}");
    assert!(!user.data().exists(), "nothing was made");
}

#[test]
fn the_token_of_the_connected_server_is_found() {
    let cluster = Cluster::start(2);
    for at in [1, 0] {
        let hub = cluster.hub(at);
        let mut command = program::hubbub_command();
        command.env("HUBBUB_RUN_DIR", cluster.run_dir()).env("XDG_DATA_HOME", Path::new("/nonexistent"));
        command.args([
            "--server",
            &hub.addr().to_string(),
            "welcome",
            "to",
            hub.ready()["name"].as_str().unwrap(),
        ]);
        Program::start(command).finish().ok();
    }
    assert!(hub::builder().run_dir(&cluster.run_dir()).name("beta").try_start().is_err());
}

#[test]
fn a_server_can_end_with_its_standard_input() {
    let user = User::new();
    let mut command = user.hubbubd(&[&FREE[..], &["--until-stdin-ends"]].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    wait::until("a server", || (user.run(&["status"]).0 == Some(0)).then_some(()));
    stdin.write_all(b"what it brings is not read\n").unwrap();
    assert!(child.try_wait().unwrap().is_none());
    drop(stdin);
    assert_eq!(wait::until("its end", || child.try_wait().unwrap()).code(), Some(0));
}
