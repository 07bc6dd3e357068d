//! The one task of a client: it runs a connection, and when that is lost, gets the next one and makes
//! it what the old one was. When to try is up to [`crate::backoff`], where to [`crate::addresses`]; what
//! has to be restored is the session's.

use crate::backoff::{Retry, Round};
use crate::client::Shared;
use crate::connection::{is_about_this_server, Connection, End};
use crate::race::race;
use crate::{rt, Code, Error, Options};
use futures::{pin_mut, select_biased, FutureExt, TryFutureExt};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rounds in which a hub refuses the name that this client had, before going on without it. A guess,
/// some seconds: the hub may not have noticed yet that the old connection is gone.
const NAME_ROUNDS: u32 = 6;

/// Makes the first connection: every address once, in their order.
pub(crate) async fn first(options: &Options) -> Result<Connection, Error> {
    let round = Round::first(options.connect_timeout);
    let attempt = |addr| settle(addr, options.name.as_deref(), options, round).boxed();
    // Another server would say the same, or it is another server that was meant.
    let is_final = |why: &Error| matches!(why, Error::Refused(refusal) if !is_about_this_server(refusal));
    let raced = race(options.servers.iter().map(String::as_str), round.patience(), attempt, is_final).await;
    raced.map_err(last)
}

/// Connects to one address, or to where its hub sends us. Whoever was sent says so by not following
/// again, and is told no address that would be listened to: there is one hop, never two.
async fn settle(
    addr: &str,
    name: Option<&str>,
    options: &Options,
    round: Round,
) -> Result<Connection, Error> {
    let sent = match Connection::establish(addr, name, options, options.follow, round.limit).await {
        Ok(connection) => return Ok(connection),
        Err(failed) if options.follow && !failed.elsewhere.is_empty() => failed,
        Err(failed) => return Err(failed.why),
    };
    log::debug!("{addr} sends this client to {}: {}", sent.elsewhere.join(", "), sent.why);
    rt::sleep(Duration::from_millis(sent.retry_ms).min(round.limit)).await;
    let mut targets: Vec<&str> = sent.elsewhere.iter().map(String::as_str).collect();
    targets.retain(|other| *other != addr);
    targets.push(addr);
    let attempt = |addr| {
        Connection::establish(addr, name, options, false, round.limit).map_err(|failed| failed.why).boxed()
    };
    race(targets, round.patience(), attempt, |_| false).await.map_err(last)
}

fn last(mut failures: Vec<Error>) -> Error {
    let none = || Error::BadArgument("name at least one server, as HOST:PORT".into());
    failures.pop().unwrap_or_else(none)
}

/// Makes the connection the client's: what has to be restored goes first, then everybody else.
pub(crate) fn attach(shared: &Shared, connection: &Connection, is_first: bool) {
    let mut complete = false;
    shared.out.attach(connection.hello.limits.max_frame, |lines| {
        let mut session = shared.session.lock();
        complete = session.restore(connection.hello.clone(), &connection.addr, lines);
        if complete && !is_first {
            session.reconnected();
        }
    });
    if complete {
        shared.out.open();
    }
}

/// Keeps the client connected until it is closed, or the connection is lost and is not to come back.
pub(crate) async fn keep(shared: Arc<Shared>, mut connection: Connection) {
    let mut rounds = 0;
    loop {
        let addr = connection.addr.clone();
        let start = Instant::now();
        let end = connection.run(&shared).await;
        if start.elapsed() > shared.options.backoff.max {
            rounds = 0;
        }
        log::debug!("the connection to {addr} ended: {}", end.why);
        shared.out.shut(&end.why);
        let leaving = {
            let mut session = shared.session.lock();
            session.lost(&end.why);
            session.leaving
        };
        let next = if leaving || !shared.options.reconnect || shared.out.is_closed() {
            shared.out.close(&end.why);
            None
        } else {
            reconnect(&shared, &addr, end, &mut rounds).await
        };
        let Some(next) = next else { break };
        attach(&shared, &next, false);
        connection = next;
    }
    shared.session.lock().end();
}

/// Tries until there is a connection; `None` when the client is closed first. `rounds` keeps the delays
/// growing over connections that do not last.
async fn reconnect(shared: &Shared, lost: &str, end: End, rounds: &mut u32) -> Option<Connection> {
    let options = &shared.options;
    let (mut name, addresses) = {
        let session = shared.session.lock();
        let order = session.known.in_order(&end.elsewhere, lost, &options.servers, fastrand::f64());
        (session.wanted_name().map(str::to_owned), order)
    };
    let told = addresses.first().is_some_and(|first| end.elsewhere.contains(first));
    let (backoff, limit) = (options.backoff, options.connect_timeout);
    let mut retry = Retry::new(backoff, limit, addresses.len(), told, end.retry_ms, *rounds);
    let mut without_name = 0;
    let trying = async {
        loop {
            let round = retry.next(fastrand::f64());
            rt::sleep(round.delay).await;
            let attempt = |addr| settle(addr, name.as_deref(), options, round).boxed();
            let all = addresses.iter().map(String::as_str);
            let failures = match race(all, round.patience(), attempt, |_| false).await {
                Ok(connection) => {
                    *rounds = retry.rounds();
                    return connection;
                }
                Err(failures) => failures,
            };
            without_name += u32::from(failures.iter().any(is_about_the_name));
            if without_name == NAME_ROUNDS {
                name = None;
            }
            if let Some(why) = failures.last() {
                log::debug!("cannot reconnect yet: {why}");
            }
        }
    }
    .fuse();
    let closed = shared.out.closed().fuse();
    pin_mut!(trying, closed);
    select_biased! {
        connection = trying => Some(connection),
        () = closed => None,
    }
}

fn is_about_the_name(why: &Error) -> bool {
    matches!(why, Error::Refused(refusal) if matches!(refusal.code, Code::NameTaken | Code::BadName))
}
