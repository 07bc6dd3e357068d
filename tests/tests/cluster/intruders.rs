//! Whoever reaches the peer port without belonging to the cluster: not answered, not waited for, and no harm.

use crate::{told, took};
use hubbub_tests::cluster::wait_one_hub;
use hubbub_tests::{hub, noise, wait, Canary, Cluster, Encoding, Socket};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// A handshake may take five seconds; this is for machines that have much else to do.
const HANDSHAKE: Duration = Duration::from_secs(9);
/// What the servers may grow by: handshakes that wait, buffers, what the allocator keeps.
const SLACK: u64 = 32 << 20;

#[test]
fn whoever_connects_to_the_peer_port_without_belonging_there_is_not_answered() {
    let mut cluster = Cluster::joined(2);
    let canary = Canary::start(cluster.hub(0));
    let before = cluster.hub(0).process().rss();
    let attacks: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("one byte", vec![0]),
        ("half of a length", vec![0, 0]),
        ("a length and no more", vec![0, 0, 1, 0]),
        ("a huge length", [&[0xff; 4][..], &noise(1, 1 << 16)].concat()),
        ("another huge length", [&[0x7f, 0xff, 0xff, 0xff][..], &noise(2, 1 << 16)].concat()),
        ("half a message", [&[0, 0, 2, 0][..], &noise(3, 0x100)].concat()),
        ("a whole message of noise", [&[0, 0, 2, 0][..], &noise(4, 0x200)].concat()),
        ("a version and noise", [&[0, 0, 2, 0, 1][..], &noise(5, 0x1ff)].concat()),
        ("zeros", vec![0; 1 << 16]),
        ("noise", noise(6, 1 << 16)),
        ("a request of HTTP", b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n".to_vec()),
        ("a command", b"clients\nquit\n".to_vec()),
        ("a frame", hubbub_tests::wire::frame(br#"{"op":"ping","id":1}"#)),
    ];
    let started = Instant::now();
    let mut sockets: Vec<(&str, Socket)> = Vec::new();
    for (what, bytes) in &attacks {
        let mut socket = Socket::connect(cluster.hub(0).peer_addr());
        socket.patience = HANDSHAKE;
        // It may be closed before all is said.
        let _ = socket.try_send(bytes);
        sockets.push((what, socket));
    }
    // Far more than may prove themselves at once.
    let idle: Vec<Socket> =
        (0..400).filter_map(|_| Socket::try_connect(cluster.hub(0).peer_addr()).ok()).collect();
    for (what, mut socket) in sockets {
        let answer = socket.rest();
        assert!(answer.is_empty(), "{what} was answered: {answer:?}");
    }
    for mut socket in idle {
        socket.patience = HANDSHAKE;
        assert!(socket.rest().is_empty());
    }
    assert!(started.elapsed() < HANDSHAKE, "{:?}", started.elapsed());
    took("the last intruder was closed after", started.elapsed());
    let grown = cluster.hub(0).process().peak_rss().saturating_sub(before);
    assert!(grown < SLACK, "grew by {} KiB", grown >> 10);
    canary.unharmed();
    cluster.push(cluster.of(2).start());
    cluster.wait_joined();
}

#[test]
fn packets_of_strangers_are_worth_nothing() {
    const PACKETS: u64 = 20_000;
    let cluster = Cluster::joined(2);
    let mut watcher = cluster.client(1, Encoding::Json);
    watcher.ask("subscribe $sys.server.*").ok();
    let canary = Canary::start(cluster.hub(0));
    let before = cluster.hub(0).process().rss();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(cluster.hub(0).peer_addr()).unwrap();
    for n in 0..PACKETS {
        let length = match n % 10 {
            0 => 0,
            1 => 1_401 + (n as usize * 7) % 8_000,
            2 => 65_000,
            _ => (n as usize * 31) % 1_400,
        };
        let mut packet = noise(n, length);
        if let Some(version) = packet.first_mut().filter(|_| n % 3 == 0) {
            *version = 1; // the one that is spoken
        }
        let _ = socket.send(&packet);
    }
    canary.unharmed();
    let grown = cluster.hub(0).process().peak_rss().saturating_sub(before);
    assert!(grown < SLACK, "grew by {} KiB", grown >> 10);
    socket.set_nonblocking(true).unwrap();
    let answer = socket.recv(&mut [0; 2_000]);
    assert!(answer.is_err(), "strangers are not answered: {answer:?}");
    let warnings = cluster.hub(0).log().matches("a packet cannot be opened").count();
    assert_eq!(warnings, 1, "they cannot fill the log");
    cluster.wait_joined();
    watcher.nothing_more();
}

#[test]
fn packets_of_a_server_that_is_gone_do_not_bring_it_back() {
    let mut cluster = Cluster::joined(2);
    let mut watcher = cluster.client(1, Encoding::Json);
    watcher.ask("subscribe $sys.server.*").ok();
    // A server of this cluster looks for others where somebody listens who keeps what it says.
    let tap = UdpSocket::bind("127.0.0.1:0").unwrap();
    tap.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    let join = tap.local_addr().unwrap().to_string();
    let mut ghost = hub::builder().name("ghost").args(["--join", &join]).start();
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut room = [0; 2_000];
    while packets.len() < 3 {
        let length = tap.recv(&mut room).unwrap();
        packets.push(room[..length].to_vec());
    }
    ghost.process().signal(rustix::process::Signal::KILL);
    ghost.wait_end();
    for _ in 0..200 {
        for packet in &packets {
            tap.send_to(packet, cluster.hub(0).peer_addr()).unwrap();
        }
    }
    // The first of them may be believed, until nobody is found there.
    wait::until("the ghost to be gone", || {
        let servers = cluster.client(1, Encoding::Json).ask("servers").json()["servers"].clone();
        servers.as_array().unwrap().iter().all(|s| s["name"] != "ghost" || s["state"] == "down").then_some(())
    });
    for packet in packets.iter().cycle().take(300) {
        tap.send_to(packet, cluster.hub(0).peer_addr()).unwrap();
    }
    wait_one_hub(&[cluster.hub(0), cluster.hub(1)], wait::PATIENCE);
    // Who comes now passes the news of the ghost on, if there is any.
    cluster.push(cluster.of(2).start());
    cluster.wait_joined();
    let told = told(&mut watcher);
    let joined = told.iter().filter(|event| *event == "$sys.server.joined ghost").count();
    let down = told.iter().filter(|event| *event == "$sys.server.down ghost").count();
    assert!(joined <= 1 && down == joined, "{told:?}");
}
