//! The door `points`, byte by byte: whoever connects is sent 81 bytes, and the close.

use hubbub_shared::Encoding;
use hubbub_tests::wait;
use std::collections::HashSet;

#[test]
fn whoever_connects_is_sent_81_bytes_and_the_close() {
    let hub = super::with_door("points");
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let all = hub.door("points").rest();
        assert_eq!(all.len(), 81);
        assert_eq!(&all[..34], b"You requested some random bytes:\n\n");
        assert_eq!(&all[50..], b"  \n\nYou want fries with that?\n\n");
        assert!(seen.insert(all[34..50].to_vec()), "the same bytes twice");
    }
}

#[test]
fn what_a_client_sends_is_of_no_interest() {
    let hub = super::with_door("points");
    let mut socket = hub.door("points");
    let _ = socket.try_send(vec![b'x'; 1 << 20]);
    assert_eq!(socket.rest().len(), 81);
    assert_eq!(hub.door("points").rest().len(), 81);
}

#[test]
fn the_points_are_those_of_the_hubs_service() {
    let hub = super::with_door("points");
    for _ in 0..3 {
        hub.door("points").rest();
    }
    let mut ann = hub.client(Encoding::Text);
    let rows = ann.ask("services").rows().join("\n");
    let row = rows.lines().find(|row| row.contains("points ")).unwrap();
    assert!(row.contains("requests=3 errors=0"), "{row}");
    let closed = wait::until("the clients to be remembered", || {
        let rows = ann.ask("clients closed").rows().to_vec();
        (rows.iter().filter(|row| row.contains("points")).count() == 3).then_some(rows)
    });
    assert!(closed[0].contains("answered"), "{closed:?}");
}
