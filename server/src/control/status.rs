//! `hubbubd status`: finds the running hub and asks it how it is.

use super::find::{self, Target};
use super::pid_file::{self, Found};
use super::Serving;
use crate::cluster::peer_port::on_loopback;
use crate::config::Finding;
use anyhow::{anyhow, bail};
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::reply::StatsReply;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Exit code: it runs and answers.
const RUNNING: u8 = 0;
/// Exit code: nothing runs.
const NOT_RUNNING: u8 = 1;
/// Exit code: it runs and does not answer.
const NO_ANSWER: u8 = 3;
/// How long the hub may take to answer. A healthy one takes a millisecond; the same time as a
/// person's patience.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes read while looking for the answer: some hundred expected, greeting lines included.
const MAX_ANSWER: u64 = 64 << 10;

/// What `--json` prints.
#[derive(Default, Serialize)]
struct Report {
    running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_pid_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serving: Option<Serving>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<StatsReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// What `--json` prints of several hubs.
#[derive(Serialize)]
struct Reports<'a> {
    running: bool,
    servers: Vec<&'a Report>,
}

/// Prints how the hub that is meant is, or how each of several is; the value is the exit code.
pub fn status(wanted: &Finding, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    match find::find(wanted)? {
        Target::PidFile(pid_file) => status_of(&pid_file, json, out),
        Target::Several(running) => {
            let told = running.iter().map(|run| report(&run.pid_file)).collect::<Result<Vec<_>, _>>()?;
            // One that ended at this moment is none of them any more.
            let told: Vec<Told> = told.into_iter().filter(|told| told.code != NOT_RUNNING).collect();
            let code = told.iter().map(|told| told.code).max().unwrap_or(NOT_RUNNING);
            if json {
                let servers: Vec<&Report> = told.iter().map(|told| &told.report).collect();
                print_json(out, &Reports { running: !servers.is_empty(), servers })?;
            } else {
                let texts: Vec<&str> = told.iter().map(|told| told.text.as_str()).collect();
                out.write_all(texts.join("\n").as_bytes())?;
            }
            Ok(code)
        }
    }
}

/// Prints how the hub of a pid file is.
fn status_of(pid_file: &Path, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    let Told { report, text, code } = report(pid_file)?;
    if json {
        print_json(out, &report)?;
    } else {
        out.write_all(text.as_bytes())?;
    }
    Ok(code)
}

fn print_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// A hub's state, for programs and for people.
struct Told {
    report: Report,
    text: String,
    code: u8,
}

fn report(pid_file: &Path) -> io::Result<Told> {
    let holder = match pid_file::look(pid_file)? {
        Found::Running(holder) => holder,
        Found::Nobody { stale } => {
            let stale_pid_file = stale.then(|| pid_file.to_owned());
            let report = Report { stale_pid_file, ..Report::default() };
            let left = if stale { "; the file is left from a run that crashed" } else { "" };
            let text = format!("no hub runs with the pid file {}{left}\n", pid_file.display());
            return Ok(Told { report, text, code: NOT_RUNNING });
        }
    };
    let answer = match &holder.serving {
        None => Err(anyhow!("it does not serve yet")),
        Some(serving) => ask(serving.client_addr),
    };
    let mut text = format!("pid       {}\n", holder.pid);
    if let Some(serving) = &holder.serving {
        text += &format!("name      {}\naddress   {}\n", shown(&serving.name), serving.client_addr);
        if let Some(peer_addr) = serving.peer_addr {
            text += &format!("peers     {peer_addr}\n");
        }
    }
    match &answer {
        Ok(stats) => {
            let uptime = Duration::from_secs(stats.uptime_s.clamp(0.0, u32::MAX.into()) as u64);
            text += &format!(
                "uptime    {}\nclients   {}\nchannels  {}\nmessages  {} in, {} out\n",
                humantime::format_duration(uptime),
                stats.clients,
                stats.channels,
                stats.messages_in,
                stats.messages_out
            );
        }
        Err(error) => text += &format!("problem   {error:#}\n"),
    }
    let code = if answer.is_ok() { RUNNING } else { NO_ANSWER };
    let (stats, problem) = match answer {
        Ok(stats) => (Some(stats), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let report = Report {
        running: true,
        stale_pid_file: None,
        pid: Some(holder.pid),
        serving: holder.serving,
        stats,
        problem,
    };
    Ok(Told { report, text, code })
}

/// One `stats` over the client port, as any client would say it.
fn ask(addr: SocketAddr) -> anyhow::Result<StatsReply> {
    /// The one reply that is awaited, among whatever else a client is sent.
    #[derive(Deserialize)]
    struct Answer {
        re: Option<u64>,
        ok: Option<StatsReply>,
        error: Option<Refused>,
    }
    #[derive(Deserialize)]
    struct Refused {
        message: String,
    }

    let deadline = Instant::now() + PATIENCE;
    let failed = |error: io::Error| match error.kind() {
        // A time limit on a socket shows as one or the other, by system.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            anyhow!("{addr} does not answer within {} s", PATIENCE.as_secs())
        }
        _ => anyhow!("{addr} does not answer: {error}"),
    };
    let mut stream = TcpStream::connect_timeout(&on_loopback(addr), PATIENCE).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"{\"op\":\"stats\",\"id\":1}\n").map_err(failed)?;
    let mut lines = BufReader::new(Patient { stream: &stream, deadline }.take(MAX_ANSWER));
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line).map_err(failed)? == 0 {
            bail!("{addr} closed the connection without an answer");
        }
        match serde_json::from_str::<Answer>(&line) {
            Ok(Answer { re: Some(1), ok: Some(stats), .. }) => return Ok(stats),
            Ok(Answer { error: Some(refused), .. }) => bail!("it refuses: {}", shown(&refused.message)),
            // A greeting, a notice: not for us.
            _ => {}
        }
    }
}

/// A stream with one time limit over all reads: a trickle of bytes does not prolong it.
struct Patient<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{tests::example, PidFile};
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn told(pid_file: &Path, json: bool) -> (u8, String) {
        let mut out = Vec::new();
        let code = status_of(pid_file, json, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    /// A held pid file that points at a listener, which answers one connection with `script`.
    fn hub(dir: &Path, script: &'static str) -> (PidFile, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let held = PidFile::acquire(&dir.join("hubbubd.pid")).unwrap();
        held.write(&Serving { client_addr: listener.local_addr().unwrap(), ..example() }).unwrap();
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = String::new();
            BufReader::new(&stream).read_line(&mut asked).unwrap();
            stream.write_all(script.as_bytes()).unwrap();
            // Silence until the other side gives up, where the script does not answer.
            let _ = stream.read(&mut [0]);
            asked
        });
        (held, served)
    }

    #[test]
    fn a_hub_that_answers() {
        let dir = tempfile::tempdir().unwrap();
        let script = "* welcome\n{\"event\":\"notice\",\"code\":\"welcome\",\"message\":\"hi\"}\n\
            {\"re\":1,\"ok\":{\"server\":\"alpha\",\"version\":\"0.1.0\",\"pid\":9,\"uptime_s\":3723.9,\
            \"clients\":3,\"clients_total\":9,\"clients_refused\":0,\"channels\":4,\"subscriptions\":5,\
            \"patterns\":1,\"messages_in\":70,\"messages_out\":210,\"bytes_in\":1,\"bytes_out\":2,\
            \"slow_consumers\":0,\"refusals\":0,\"services\":2,\"requests_open\":0,\"requests_total\":0,\
            \"history_bytes\":0}}\n";
        let (held, served) = hub(dir.path(), script);
        let pid_file = dir.path().join("hubbubd.pid");
        let (code, text) = told(&pid_file, false);
        assert_eq!(code, RUNNING);
        for line in ["uptime    1h 2m 3s", "clients   3", "channels  4", "messages  70 in, 210 out"] {
            assert!(text.lines().any(|l| l == line), "{text}");
        }
        assert!(text.starts_with(&format!("pid       {}\nname      alpha\n", std::process::id())), "{text}");
        assert_eq!(served.join().unwrap(), "{\"op\":\"stats\",\"id\":1}\n");

        drop(held);
        let (_held, _served) = hub(dir.path(), script);
        let (code, json) = told(&pid_file, true);
        let report: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((code, &report["running"], &report["stats"]["clients"]), (0, &true.into(), &3.into()));
        assert_eq!(report["serving"]["name"], "alpha");
    }

    #[test]
    fn a_hub_that_refuses_closes_or_stays_silent() {
        let cases = [
            (
                "{\"re\":1,\"error\":{\"code\":\"draining\",\"message\":\"this server ends\"}}\n",
                "this server ends",
            ),
            ("* welcome\n", "does not answer within 2 s\n"),
        ];
        for (script, problem) in cases {
            let dir = tempfile::tempdir().unwrap();
            let (_held, served) = hub(dir.path(), script);
            let (code, text) = told(&dir.path().join("hubbubd.pid"), false);
            assert_eq!(code, NO_ANSWER);
            assert!(text.contains(problem), "{text}");
            served.join().unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let held = PidFile::acquire(&dir.path().join("hubbubd.pid")).unwrap();
        let (code, text) = told(&dir.path().join("hubbubd.pid"), false);
        assert_eq!((code, text.contains("does not serve yet")), (NO_ANSWER, true));
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        held.write(&Serving { client_addr: closed, ..example() }).unwrap();
        assert_eq!(told(&dir.path().join("hubbubd.pid"), true).0, NO_ANSWER);
    }

    #[test]
    fn no_hub() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("hubbubd.pid");
        assert_eq!(told(&pid_file, true), (NOT_RUNNING, "{\"running\":false}\n".into()));
        std::fs::write(&pid_file, "1\n").unwrap();
        let (code, text) = told(&pid_file, false);
        assert_eq!(code, NOT_RUNNING);
        assert!(text.contains("left from a run that crashed"), "{text}");
    }
}
