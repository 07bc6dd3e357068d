//! What the session says and keeps, line by line.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::queue::queue;
use crate::Delivery;
use futures::{FutureExt, StreamExt};
use hubbub_shared::names::Pattern;

fn hello(name: &str) -> HelloReply {
    let json = format!(
        r#"{{"client_id":"c","name":"{name}","server":"alpha","origin":"alpha-1","version":"1","limits":{{}}}}"#
    );
    serde_json::from_str(&json).unwrap()
}

/// A session on its first connection, with a listener.
fn session() -> (Session, Receiver<Event>) {
    let mut session = Session::new(hello("bob"), true, true);
    assert!(session.restore(hello("bob"), "a:1", &mut Vec::new()), "there is nothing to restore");
    let events = session.listen();
    (session, events)
}

fn subscribed(session: &mut Session, id: Id, pattern: &str) -> Receiver<Delivery> {
    let (sender, receiver) = queue(10, 1 << 20);
    session.routes.add(id, vec![Pattern::parse(pattern).unwrap()], None, sender);
    session.routes.confirm(id);
    receiver
}

/// Feeds lines as they come from the hub.
fn feed(session: &mut Session, lines: &[&str]) -> Effects {
    let mut effects = Effects::default();
    for line in lines {
        session.handle(Incoming::parse(line.as_bytes()).unwrap(), &mut effects);
    }
    effects
}

/// What has been told, each event's first word.
fn told(events: &mut Receiver<Event>) -> Vec<String> {
    std::iter::from_fn(|| events.next().now_or_never().flatten())
        .map(|event| format!("{event:?}").split([' ', '(']).next().unwrap_or_default().to_owned())
        .collect()
}

fn text(lines: &[u8]) -> &str {
    std::str::from_utf8(lines).unwrap()
}

#[test]
fn an_answer_finds_who_waits_for_it_and_no_one_else() {
    let (mut session, mut events) = session();
    let ((first, mut one), (second, mut two)) = (oneshot::channel(), oneshot::channel());
    session.expect(1, first, About::Other);
    session.expect(2, second, About::Other);
    feed(&mut session, &[r#"{"re":2,"ok":{}}"#, r#"{"re":9,"ok":{}}"#, r#"{"re":"x","ok":{}}"#]);
    assert!(two.try_recv().unwrap().unwrap().is_ok());
    assert!(one.try_recv().unwrap().is_none());
    session.lost("reset");
    assert!(matches!(one.try_recv().unwrap().unwrap(), Err(Error::Disconnected { why }) if why == "reset"));
    feed(&mut session, &[r#"{"re":1,"ok":{}}"#]);
    assert_eq!(told(&mut events), ["Disconnected"]);
}

#[test]
fn a_new_connection_is_restored_before_anything_else() {
    let (mut session, mut events) = session();
    let mut ops = subscribed(&mut session, 1, "ops.>");
    let (sender, _requests) = queue(10, 1 << 20);
    assert!(session.serve("add", "adds", sender));
    session.lost("reset");
    let mut lines = Vec::new();
    assert!(!session.restore(hello("bob"), "a:1", &mut lines));
    assert_eq!(
        text(&lines),
        concat!(
            r#"{"op":"subscribe","channels":["ops.>"],"id":1}"#,
            "\n",
            r#"{"op":"serve","service":"add","about":"adds","id":2}"#,
            "\n"
        )
    );
    assert!(!feed(&mut session, &[r#"{"re":1,"ok":{}}"#]).restored);
    assert!(feed(&mut session, &[r#"{"re":2,"ok":{}}"#]).restored);
    session.reconnected();
    assert_eq!(told(&mut events), ["Disconnected", "Reconnected"]);
    let deliveries: Vec<_> = std::iter::from_fn(|| ops.next().now_or_never().flatten()).collect();
    assert!(matches!(deliveries[..], [Delivery::Disconnected, Delivery::Reconnected]));
}

#[test]
fn what_the_hub_does_not_give_back_ends_and_the_rest_goes_on() {
    let (mut session, mut events) = session();
    let ops = subscribed(&mut session, 1, "ops");
    session.lost("reset");
    session.restore(hello("anon-1"), "a:1", &mut Vec::new());
    assert_eq!(session.wanted_name(), None, "the name is somebody else's now");
    let no = r#"{"re":1,"error":{"code":"not-allowed","message":"no"}}"#;
    let effects = feed(&mut session, &[no]);
    assert!(effects.restored);
    assert_eq!(text(&effects.lines), "{\"op\":\"unsubscribe\",\"channels\":[\"ops\"],\"id\":2}\n");
    assert!(matches!(ops.collect::<Vec<_>>().now_or_never().unwrap()[..], [Delivery::Disconnected]));
    assert_eq!(told(&mut events), ["Disconnected", "Notice", "Refused"]);
}

#[test]
fn a_request_that_cannot_wait_is_answered_at_once() {
    let (mut session, _events) = session();
    let request = r#"{"event":"request","request_id":"r1","service":"add","from":"al","data":1}"#;
    let effects = feed(&mut session, &[request]);
    assert!(text(&effects.lines).starts_with(r#"{"op":"respond","request_id":"r1","error":"#));
    let (sender, mut requests) = queue(1, 1 << 20);
    session.serve("add", "", sender);
    let effects = feed(&mut session, &[request, request]);
    assert!(text(&effects.lines).contains("too many requests"));
    assert_eq!(requests.next().now_or_never().unwrap().unwrap().from, "al");
    assert!(session.unserve("add") && !session.unserve("add"));
    assert!(requests.next().now_or_never().unwrap().is_none());
}

#[test]
fn last_words_heartbeats_and_refusals_without_an_id() {
    let (mut session, mut events) = session();
    let effects = feed(
        &mut session,
        &[
            r#"{"event":"ping"}"#,
            r#"{"re":null,"error":{"code":"bad-channel","message":"first"}}"#,
            r#"{"re":null,"error":{"code":"bad-channel","message":"second"}}"#,
            r#"{"event":"closing","code":"draining","message":"bye","retry_ms":7,"try":["b:1"]}"#,
        ],
    );
    assert_eq!(effects.lines, b"\n");
    let closing = effects.closing.unwrap();
    assert_eq!((closing.retry_ms, closing.elsewhere), (7, vec!["b:1".to_owned()]));
    assert_eq!(session.take_refused().unwrap().message, "first");
    assert!(session.take_refused().is_none());
    assert_eq!(told(&mut events), ["Refused", "Refused", "Closing"]);
}

#[test]
fn whoever_listens_late_hears_from_then_on_and_nobody_is_kept_for_ever() {
    let (mut session, mut first) = session();
    session.tell(Event::Lost(1));
    let mut second = session.listen();
    session.tell(Event::Lost(2));
    assert_eq!((told(&mut first).len(), told(&mut second).len()), (2, 1));
    drop(second);
    session.tell(Event::Lost(3));
    assert_eq!(session.listeners.len(), 1);
    session.end();
    assert!(session.listen().next().now_or_never().unwrap().is_none());
}
