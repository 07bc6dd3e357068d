//! The one task of a client: it runs a connection, and when that is lost, gets the next one and makes
//! it what the old one was. Whether, when and where to try is [`crate::backoff`]'s; what has to be
//! restored is the session's.

use crate::backoff::Retry;
use crate::client::Shared;
use crate::connection::{Connection, End};
use crate::{rt, Code, Error, Options};
use futures::{pin_mut, select_biased, FutureExt};
use std::sync::Arc;
use std::time::Instant;

/// Attempts to get the name back after reconnecting, before going on without it. A guess, some
/// seconds: the hub may not have noticed yet that the old connection is gone.
const NAME_ATTEMPTS: u32 = 6;

/// Makes the first connection: every address once, in their order.
pub(crate) async fn first(options: &Options) -> Result<Connection, Error> {
    let mut last = Error::BadArgument("name at least one server, as HOST:PORT".into());
    for addr in &options.servers {
        match Connection::establish(addr, options.name.as_deref(), options).await {
            Ok(connection) => return Ok(connection),
            // Another server would say the same, or it is another server that was meant.
            Err(Error::Refused(refusal)) if !matches!(refusal.code, Code::TooMany | Code::Draining) => {
                return Err(Error::Refused(refusal));
            }
            Err(why) => last = why,
        }
    }
    Err(last)
}

/// Makes the connection the client's: what has to be restored goes first, then everybody else.
pub(crate) fn attach(shared: &Shared, connection: &Connection, is_first: bool) {
    let mut complete = false;
    shared.out.attach(connection.hello.limits.max_frame, |lines| {
        let mut session = shared.session.lock();
        complete = session.restore(connection.hello.clone(), lines);
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
    let End { why: _, retry_ms, elsewhere } = end;
    let mut retry = Retry::new(options.backoff, &options.servers, lost, &elsewhere, retry_ms, *rounds);
    let mut name = shared.session.lock().wanted_name().map(str::to_owned);
    let mut name_attempts = 0;
    let trying = async {
        loop {
            let (delay, addr) = retry.next(fastrand::f64());
            rt::sleep(delay).await;
            match Connection::establish(addr, name.as_deref(), options).await {
                Ok(connection) => {
                    *rounds = retry.rounds().max(rounds.saturating_add(1));
                    return connection;
                }
                Err(Error::Refused(refusal)) if matches!(refusal.code, Code::NameTaken | Code::BadName) => {
                    name_attempts += 1;
                    if name_attempts == NAME_ATTEMPTS {
                        name = None;
                    }
                }
                Err(why) => log::debug!("cannot reconnect yet: {why}"),
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
