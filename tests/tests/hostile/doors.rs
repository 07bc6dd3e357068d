//! The same at the doors: noise, claims that are not honoured, drips, resets, and more clients than
//! there is room for. The canary sings on the client port.

use crate::{endure, SLACK};
use hubbub_tests::{hub, noise, wait, Hub, Socket};
use std::time::{Duration, Instant};

const DOORS: [&str; 3] = ["blob", "fleet", "points"];

fn with_doors(options: &[&str]) -> Hub {
    let doors = DOORS.iter().flat_map(|door| ["--door".to_owned(), format!("{door}=127.0.0.1:0")]);
    hub::builder().args(doors).args(options.iter().copied()).start()
}

#[test]
fn noise_at_a_door_ends_its_own_connection_at_the_most() {
    let hub = with_doors(&["--idle-timeout", "2s"]);
    endure(&hub, SLACK, |hub| {
        for round in 0..100 {
            for door in DOORS {
                let mut socket = hub.door(door);
                let _ =
                    socket.try_send(noise(round * 7 + door.len() as u64, 1 + (round as usize * 37) % 4_000));
                socket.finish();
                socket.rest();
            }
            // The first byte makes it frames, and the rest nothing that is known.
            let mut socket = hub.socket();
            let mut frame = b"\0\0\0\x40{\"name\":\"open-req\",\"data\":".to_vec();
            frame.extend(noise(round, 200));
            let _ = socket.try_send(frame);
            socket.finish();
            socket.rest();
        }
    });
}

#[test]
fn claims_at_the_blob_door_cost_what_was_sent() {
    crate::many_descriptors();
    let hub = with_doors(&[]);
    endure(&hub, SLACK, |hub| {
        let claims: Vec<Socket> = (0..400)
            .map(|_| {
                let mut socket = hub.door("blob");
                socket.send((1_u32 << 20).to_le_bytes());
                socket.send(b"{\"palindrome\": \"");
                socket
            })
            .collect();
        let mut other = hub.door("blob");
        other.send("{\"factor\": 75}");
        assert_eq!(other.must_line(), "[3, 5, 5]");
        drop(claims);
    });
}

#[test]
fn who_drips_into_a_door_is_closed_in_time_all_the_same() {
    let hub = with_doors(&["--idle-timeout", "2s"]);
    endure(&hub, SLACK, |hub| {
        let mut drip = hub.door("blob");
        let began = Instant::now();
        // A byte now and then, and never a whole request.
        while drip.try_send("[").is_ok() && began.elapsed() < Duration::from_secs(20) {
            std::thread::park_timeout(Duration::from_millis(50));
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it was served for {:?}", began.elapsed());
        assert_eq!(hub.door("points").rest().len(), 81);
    });
}

#[test]
fn a_storm_at_the_doors_leaves_nothing_behind() {
    crate::many_descriptors();
    let hub = with_doors(&[]);
    endure(&hub, SLACK, |hub| {
        for _ in 0..300 {
            DOORS.iter().for_each(|door| hub.door(door).reset());
        }
        // Only the canary and whoever asks are left.
        wait::until("the clients to be gone", || (hub.stat("clients") <= 3).then_some(()));
    });
}

#[test]
fn whoever_is_one_too_many_at_a_door_is_closed_without_a_word() {
    let hub = with_doors(&["--max-clients", "6"]);
    endure(&hub, SLACK, |hub| {
        let held: Vec<Socket> = (0..6).map(|_| hub.door("fleet")).collect();
        assert_eq!(hub.door("fleet").rest(), b"");
        assert_eq!(hub.door("points").rest(), b"");
        drop(held);
    });
    wait::until("a place to be free", || (hub.door("points").rest().len() == 81).then_some(()));
}
