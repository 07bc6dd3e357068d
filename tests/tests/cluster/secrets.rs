//! The cluster's secret: who has it belongs to the hub, and nobody else.

use crate::told;
use hubbub_tests::cluster::wait_one_hub;
use hubbub_tests::{hub, wait, Cluster, Encoding};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const OLD: &str = "the old secret of this cluster";
const NEW: &str = "the new secret of this cluster";

fn write_secrets(path: &Path, secrets: &[&str]) {
    std::fs::write(path, secrets.join("\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn with_secret(builder: hub::Builder, file: &Path) -> hub::Builder {
    builder.args(["--cluster-secret-file", file.to_str().unwrap()])
}

#[test]
fn who_has_the_secret_joins_and_who_has_another_or_none_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, secret: &str| {
        let path = dir.path().join(name);
        write_secrets(&path, &[secret]);
        path
    };
    let (right, wrong) = (file("right", OLD), file("wrong", NEW));
    let alpha = with_secret(hub::builder().name("alpha"), &right).start();
    let join = ["--join".to_owned(), alpha.peer_addr().to_string()];
    let builder = |name: &str| hub::builder().name(name).args(join.clone());
    let beta = with_secret(builder("beta"), &right).start();
    wait_one_hub(&[&alpha, &beta], wait::PATIENCE);
    let stranger = with_secret(builder("stranger"), &wrong).start();
    let naked = builder("naked").start();
    // Those who are outside are told why they may be; those who are inside who knocked.
    stranger.logged("\"level\":\"warn\"");
    naked.logged("\"level\":\"warn\"");
    alpha.logged("\"level\":\"warn\"");
    for (hub, log) in [(&stranger, stranger.log()), (&naked, naked.log()), (&alpha, alpha.log())] {
        assert!(log.contains("secret"), "{}: {log}", hub.addr());
        assert!(!log.contains(OLD) && !log.contains(NEW), "no secret is ever logged");
    }
    wait_one_hub(&[&alpha, &beta], wait::PATIENCE);
    wait_one_hub(&[&stranger], wait::PATIENCE);
    wait_one_hub(&[&naked], wait::PATIENCE);
}

#[test]
fn without_a_secret_no_server_listens_beyond_this_machine() {
    let refused = hub::builder().peer_listen("0.0.0.0:0").try_start().err().expect("it is refused");
    assert!(refused.contains("--cluster-secret-file") && refused.contains("peer-listen"), "{refused}");
    let refused = hub::builder().args(["--join", "192.0.2.1:7412"]).try_start().err().expect("refused");
    assert!(refused.contains("--cluster-secret-file") && refused.contains("192.0.2.1"), "{refused}");
}

#[test]
fn a_secret_is_replaced_step_by_step_and_the_servers_are_never_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = |at: usize| dir.path().join(format!("secrets-{at}"));
    let paths: [PathBuf; 3] = [path(0), path(1), path(2)];
    paths.iter().for_each(|path| write_secrets(path, &[OLD]));
    let files = paths.clone();
    let mut cluster = Cluster::with(3, move |at, builder| with_secret(builder, &files[at]));
    cluster.wait_joined();
    for secrets in [&[OLD, NEW] as &[&str], &[NEW, OLD], &[NEW]] {
        for (at, path) in paths.iter().enumerate() {
            let mut watcher = cluster.client((at + 1) % 3, Encoding::Json);
            watcher.ask("subscribe $sys.server.*").ok();
            write_secrets(path, secrets);
            cluster.terminate(at);
            cluster.restart(at);
            cluster.wait_joined_within(Duration::from_secs(10));
            let name = hubbub_tests::cluster::NAMES[at];
            let wanted = [format!("$sys.server.left {name}"), format!("$sys.server.joined {name}")];
            assert_eq!(told(&mut watcher), wanted, "nobody else was ever away");
        }
    }
}
