//! How doors are opened, and what is said of one that cannot be.

use hubbub_shared::Encoding;
use hubbub_tests::hub::builder;
use hubbub_tests::Hub;
use std::net::TcpListener;

#[test]
fn doors_are_closed_unless_they_are_asked_for() {
    assert_eq!(Hub::start().ready()["doors"], serde_json::json!({}));
    let hub = super::with_door("blob");
    let told = hub.ready()["doors"]["blob"].as_str().unwrap().to_owned();
    assert_eq!(told, hub.door_addr("blob").to_string());
    hub.logged(&told);
}

#[test]
fn doors_are_opened_by_the_file_and_the_environment_too() {
    let hub = builder();
    let file = hub.dir().join("hub.toml");
    std::fs::write(&file, "door = [\"blob=127.0.0.1:0\"]\n").unwrap();
    let hub = hub.args(["--config", file.to_str().unwrap()]).start();
    assert_ne!(hub.door_addr("blob").port(), 0);
    let hub = builder().env("HUBBUB_DOOR", "blob=127.0.0.1:0").start();
    assert_ne!(hub.door_addr("blob").port(), 0);
}

#[test]
fn a_door_whose_port_is_taken_says_which_and_by_whom() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let door = format!("blob={}", taken.local_addr().unwrap());
    let told = builder().args(["--door", &door]).try_start().err().expect("the port is taken");
    let me = format!("(pid {}) has that port", std::process::id());
    assert!(told.contains("cannot open the door blob at") && told.contains(&me), "{told}");

    let first = super::with_door("blob");
    let door = format!("blob={}", first.door_addr("blob"));
    let run_dir = first.run_dir().to_owned();
    let second = builder().run_dir(&run_dir).args(["--name", "second", "--door", &door]).try_start();
    let told = second.err().expect("another hub has the port");
    let name = first.ready()["name"].as_str().unwrap();
    assert!(told.contains(&format!("the server {name} (pid {})", first.ready()["pid"])), "{told}");
}

#[test]
fn a_door_beyond_this_machine_is_for_trusted_networks() {
    let told =
        builder().args(["--door", "blob=0.0.0.0:0"]).try_start().err().expect("it authenticates nobody");
    assert!(told.contains("--insecure"), "{told}");
    let told = builder().args(["--door", "cellar"]).try_start().err().expect("no such door");
    assert!(told.contains("the doors are blob, fleet, points"), "{told}");
}

#[test]
fn nothing_is_sent_to_the_client_of_a_door() {
    let hub = super::with_door("blob");
    let mut blob = hub.door("blob");
    let mut ann = hub.client(Encoding::Text);
    let name = hubbub_tests::wait::until("the client to be listed", || {
        let rows = ann.ask("clients").rows().join("\n");
        let row = rows.lines().find(|row| row.contains("blob"))?.to_owned();
        Some(row.split_whitespace().next()?.to_owned())
    });
    let (code, told) = ann.ask(&format!("msg {name} hello")).refusal();
    assert_eq!(code, "not-allowed");
    assert!(told.contains("blob"), "{told}");
    blob.send("{\"palindrome\": \"anna\"}");
    assert_eq!(blob.must_line(), "true");
}
