//! The options of the cluster: its name, its secrets, where its servers are looked for, and where
//! this one listens for them. Nothing is resolved or connected here; the only file that is read is
//! that of the secrets.

use super::{beyond, show_path, values, Choice, Stage};
use crate::config::values::Parsed;
use hubbub_shared::names::quote;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The port on which servers connect to each other unless told otherwise. Protocol.
pub const DEFAULT_PEER_PORT: u16 = 7412;
/// The cluster that a server belongs to unless told otherwise. Protocol.
const DEFAULT_CLUSTER: &str = "hubbub";
/// Characters of a secret at least: 16 random letters are beyond guessing. A guess at what people
/// accept.
const MIN_SECRET: usize = 16;
/// Secrets of a file at most: each is tried on what nobody else opens. One is in use, one is new, one
/// is old; a guess with room.
const MAX_SECRETS: usize = 16;
/// Bytes of a file of secrets at most. A guess, fifty times the longest sensible one.
const MAX_SECRET_FILE: u64 = 64 << 10;
/// Addresses to join at most. One is enough for most clusters; a guess with room.
const MAX_JOIN: usize = 64;
/// Bytes of a host's name at most (RFC 1035, section 2.3.4), and of one of its labels.
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// The cluster that a server belongs to.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Its name.
    pub name: String,
    /// Servers of it on other machines.
    pub join: Vec<JoinAddr>,
    /// The first seals, all of them open. None: peers are on this machine only.
    pub secrets: Vec<Secret>,
    /// Whether to look for servers by multicast.
    pub lan: bool,
    /// The folder where the servers of this machine find each other.
    pub run_dir: PathBuf,
}

/// Where a server of the cluster may be: a name, which is resolved when it is used, or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JoinAddr {
    /// A host's name, or an IP address without brackets.
    pub host: String,
    /// The peer port.
    pub port: u16,
}

impl JoinAddr {
    /// The address, where it is not a name.
    pub fn ip(&self) -> Option<SocketAddr> {
        self.host.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, self.port))
    }

    /// Whether it may be another machine.
    fn is_beyond(&self) -> bool {
        self.ip().map_or_else(|| !self.host.eq_ignore_ascii_case("localhost"), beyond)
    }
}

impl fmt::Display for JoinAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            Some(addr) => write!(f, "{addr}"),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A secret of the cluster. It shows itself to nobody by mistake.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one who makes keys of it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Parsed<Secret> {
        let text = text.trim();
        let length = text.chars().count();
        if length < MIN_SECRET {
            return Err(format!(
                "a secret of {length} characters can be guessed: {MIN_SECRET} or more, such as \
                 `openssl rand -hex 32` prints"
            ));
        }
        Ok(Secret(text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(set)")
    }
}

impl Stage {
    /// The cluster's name, which is also asked for when a running server is looked for.
    pub(super) fn cluster_name(&mut self) -> Choice<String> {
        self.choose("cluster", DEFAULT_CLUSTER.to_owned(), values::name, String::clone)
    }

    pub(super) fn cluster(&mut self, run_dir: Choice<PathBuf>) -> (ClusterConfig, Choice<SocketAddr>) {
        let name = self.cluster_name().value;
        let join = self.take("join", Vec::new(), join, |all| show_join(all));
        let secrets = self.secrets();
        let lan = self.take("lan", false, values::yes_no, bool::to_string);
        let far = join.iter().find(|addr| addr.is_beyond()).cloned();
        // Who is looked for on other machines has to be able to answer.
        let ip = if lan || far.is_some() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let own = SocketAddr::from((ip, DEFAULT_PEER_PORT));
        let parse = values::listen(DEFAULT_PEER_PORT);
        let peer_listen = self.choose("peer-listen", own, parse, SocketAddr::to_string);
        if secrets.is_empty() {
            const NEEDED: &str =
                "and without a secret whoever reaches a peer port is one of the cluster: give \
                                  every server of it the same --cluster-secret-file";
            if !peer_listen.is_default && beyond(peer_listen.value) {
                let why = format!("{} can be reached from other machines, {NEEDED}", peer_listen.value);
                self.refuse("peer-listen", why);
            }
            if let Some(far) = &far {
                self.refuse("join", format!("{far} is on another machine, {NEEDED}"));
            }
            if lan {
                self.refuse("lan", format!("the local network is other machines, {NEEDED}"));
            }
        }
        if (lan || far.is_some()) && !beyond(peer_listen.value) {
            self.raw.warnings.push(format!(
                "peer-listen is {}: servers on other machines cannot answer there; 0.0.0.0:{} would be \
                 reached by them",
                peer_listen.value,
                peer_listen.value.port()
            ));
        }
        (ClusterConfig { name, join, secrets, lan, run_dir: run_dir.value }, peer_listen)
    }

    fn secrets(&mut self) -> Vec<Secret> {
        let from_file = self.take(
            "cluster-secret-file",
            None,
            |text| {
                let path = values::path(text)?;
                read_secrets(&path).map(|secrets| Some((path, secrets)))
            },
            |file| file.as_ref().map_or_else(|| "none".into(), |(path, _)| show_path(path)),
        );
        let show = |secret: &Option<Secret>| if secret.is_some() { "(set)" } else { "none" }.to_owned();
        let text = self.take("cluster-secret", None, |text| Secret::parse(text).map(Some), show);
        match (from_file, text) {
            (Some(_), Some(_)) => {
                let why = "there is a file of secrets too (--cluster-secret-file): give one of the two";
                self.refuse("cluster-secret", why.into());
                Vec::new()
            }
            (Some((_, secrets)), None) => secrets,
            (None, text) => text.into_iter().collect(),
        }
    }
}

fn show_join(all: &[JoinAddr]) -> String {
    if all.is_empty() {
        return "none".into();
    }
    all.iter().map(JoinAddr::to_string).collect::<Vec<_>>().join(",")
}

fn join(text: &str) -> Parsed<Vec<JoinAddr>> {
    let all = text.split(',').map(|one| join_one(one.trim())).collect::<Parsed<Vec<_>>>()?;
    if all.len() > MAX_JOIN {
        return Err(format!(
            "{} addresses, and {MAX_JOIN} are the most: one server tells of the others",
            all.len()
        ));
    }
    Ok(all)
}

fn join_one(text: &str) -> Parsed<JoinAddr> {
    let wrong = || {
        format!(
            "{}: a host or an IP address, with the peer port where it is not {DEFAULT_PEER_PORT}, such as \
             beta.example:{DEFAULT_PEER_PORT}, 192.0.2.7 or [2001:db8::7]:{DEFAULT_PEER_PORT}",
            quote(text)
        )
    };
    let port_of = |port: &str| port.parse().ok().filter(|port| *port != 0);
    // An address of IPv6 has colons itself: with a port it stands in brackets.
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
        let port = match after.strip_prefix(':') {
            Some(port) => port_of(port).ok_or_else(wrong)?,
            None if after.is_empty() => DEFAULT_PEER_PORT,
            None => return Err(wrong()),
        };
        host.parse::<Ipv6Addr>().map_err(|_| wrong())?;
        (host, port)
    } else if text.parse::<Ipv6Addr>().is_ok() {
        (text, DEFAULT_PEER_PORT)
    } else {
        match text.rsplit_once(':') {
            Some((host, port)) => (host, port_of(port).ok_or_else(wrong)?),
            None => (text, DEFAULT_PEER_PORT),
        }
    };
    let ip: Option<IpAddr> = host.parse().ok();
    if ip.is_some_and(|ip| ip.is_unspecified() || ip.is_multicast()) {
        return Err(format!("{} is nobody's own address: name one of a server", quote(text)));
    }
    if ip.is_none() && !is_host(host) {
        return Err(wrong());
    }
    Ok(JoinAddr { host: host.to_owned(), port })
}

/// Whether a name can be one of a host. A last label of digits would be an IP address gone wrong.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or(name);
    name.len() <= MAX_HOST && name.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// One secret a line; blank lines and those that start with `#` do not count.
fn read_secrets(path: &Path) -> Parsed<Vec<Secret>> {
    let shown = path.display();
    let told = |error: std::io::Error| format!("cannot read {shown}: {error}");
    // Asked before opening: a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err(format!("{shown} is no file"));
    }
    let file = File::open(path).map_err(told)?;
    let mode = file.metadata().map_err(told)?.mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "{shown} is open to other users (mode {:03o}), so it is no secret; `chmod 600 {shown}` closes it",
            mode & 0o777
        ));
    }
    let mut bytes = Vec::new();
    file.take(MAX_SECRET_FILE + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > MAX_SECRET_FILE {
        return Err(format!("{shown} is over 64KiB, so it is no file of secrets"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8"))?;
    let mut secrets = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        secrets.push(Secret::parse(line).map_err(|why| format!("{shown}:{}: {why}", at + 1))?);
    }
    match secrets.len() {
        0 => Err(format!("{shown} holds no secret: one a line, of {MIN_SECRET} characters or more")),
        1..=MAX_SECRETS => Ok(secrets),
        many => Err(format!("{shown} holds {many} secrets, and {MAX_SECRETS} are the most")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn addresses_to_join() {
        for (text, shown) in [
            ("beta", "beta:7412"),
            ("beta.example.:9", "beta.example.:9"),
            ("192.0.2.7", "192.0.2.7:7412"),
            ("192.0.2.7:9", "192.0.2.7:9"),
            ("::1", "[::1]:7412"),
            ("[::1]", "[::1]:7412"),
            ("[2001:db8::7]:9", "[2001:db8::7]:9"),
            ("a, b:1 ,[::1]", "a:7412,b:1,[::1]:7412"),
        ] {
            assert_eq!(show_join(&join(text).unwrap()), shown);
        }
        for text in [
            "",
            "a,",
            "a b",
            "-a",
            "a..b",
            "192.0.2",
            "192.0.2.300:1",
            "a:0",
            "a:65536",
            "a:",
            ":1",
            "[::1",
            "[::1]1",
        ] {
            assert!(join(text).unwrap_err().contains("such as beta.example:7412"), "{text}");
        }
        for text in ["0.0.0.0", "[::]:1", "224.0.0.1:1"] {
            assert!(join(text).unwrap_err().contains("nobody's own"), "{text}");
        }
        assert!(join("a,".repeat(65).trim_end_matches(',')).unwrap_err().contains("64 are the most"));
        let far = |text: &str| join(text).unwrap()[0].is_beyond();
        assert!(!far("localhost") && !far("127.0.0.1:1") && !far("[::1]") && !far("[::ffff:127.0.0.1]"));
        assert!(far("beta") && far("192.0.2.7"));
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read_again(text in "[\\[a-z0-9.:,\\] -]{0,40}") {
            if let Ok(all) = join(&text) {
                prop_assert_eq!(join(&show_join(&all)), Ok(all));
            }
        }
    }

    #[test]
    fn a_file_of_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets");
        let read = |content: &[u8], mode: u32| {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read_secrets(&path)
        };
        let secrets = read(b"# new\n  0123456789abcdef \n\n#old\nfedcba9876543210", 0o600).unwrap();
        let secrets: Vec<&str> = secrets.iter().map(Secret::expose).collect();
        assert_eq!(secrets, ["0123456789abcdef", "fedcba9876543210"]);
        let told = read(b"0123456789abcdef", 0o640).unwrap_err();
        assert!(told.contains("mode 640") && told.contains("chmod 600"), "{told}");
        let told = read(b"# one\nshort", 0o600).unwrap_err();
        assert!(told.contains("secrets:2: a secret of 5 characters") && !told.contains("short"), "{told}");
        assert!(read(b"# none\n", 0o400).unwrap_err().contains("holds no secret"));
        assert!(read(b"\xff", 0o600).unwrap_err().contains("UTF-8"));
        assert!(read(&[b'#'; 65 << 10], 0o600).unwrap_err().contains("over 64KiB"));
        assert!(read("0123456789abcdef\n".repeat(17).as_bytes(), 0o600)
            .unwrap_err()
            .contains("16 are the most"));
        assert!(read_secrets(dir.path()).unwrap_err().contains("no file"));
        assert!(read_secrets(&dir.path().join("absent")).unwrap_err().contains("No such file"));
    }

    #[test]
    fn a_secret_shows_itself_to_nobody() {
        let secret = Secret::parse("0123456789abcdef").unwrap();
        assert_eq!(format!("{secret:?}"), "(set)");
    }
}
