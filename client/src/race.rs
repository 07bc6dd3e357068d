//! Several attempts at the same thing, of which one is enough: each begins when the one before has
//! failed, or has taken so long that it should not be waited for alone. It knows nothing of hubs.

use crate::rt;
use futures::future::{pending, BoxFuture};
use futures::stream::FuturesUnordered;
use futures::{pin_mut, select_biased, FutureExt, StreamExt};
use std::time::Duration;

/// Tries one after the other; whichever succeeds first, wins, and the others are dropped. A failure
/// starts the next attempt at once, silence does so after `patience`, while those before go on. A
/// failure that is `final_one` ends everything.
///
/// # Errors
/// All failures, in the order in which they came: the final one is the last.
pub(crate) async fn race<'a, A, T, E>(
    candidates: impl IntoIterator<Item = A>,
    patience: Duration,
    // Boxed, so that the compiler can tell that the whole may be sent to another thread.
    mut attempt: impl FnMut(A) -> BoxFuture<'a, Result<T, E>>,
    final_one: impl Fn(&E) -> bool,
) -> Result<T, Vec<E>> {
    let mut candidates = candidates.into_iter().peekable();
    let mut running = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        if let Some(candidate) = candidates.next() {
            running.push(attempt(candidate));
        } else if running.is_empty() {
            return Err(failures);
        }
        let is_last = candidates.peek().is_none();
        let waiting = async {
            match is_last {
                true => pending().await,
                false => rt::sleep(patience).await,
            }
        }
        .fuse();
        pin_mut!(waiting);
        select_biased! {
            ended = running.select_next_some() => match ended {
                Ok(done) => return Ok(done),
                Err(why) => {
                    let is_final = final_one(&why);
                    failures.push(why);
                    if is_final {
                        return Err(failures);
                    }
                }
            },
            () = waiting => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use std::cell::RefCell;

    const LONG: Duration = Duration::from_secs(3600);

    /// `!x` fails, `?x` never ends, everything else succeeds.
    fn raced(candidates: &str, patience: Duration) -> (Result<String, Vec<String>>, usize) {
        let begun = RefCell::new(0);
        let attempt = |word: &str| {
            *begun.borrow_mut() += 1;
            let word = word.to_owned();
            async move {
                match word.as_bytes()[0] {
                    b'!' => Err(word),
                    b'?' => pending().await,
                    _ => Ok(word),
                }
            }
            .boxed()
        };
        let result =
            block_on(race(candidates.split_whitespace(), patience, attempt, |why: &String| why == "!final"));
        (result, begun.into_inner())
    }

    #[test]
    fn a_failure_starts_the_next_at_once() {
        assert_eq!(raced("!a !b c d", LONG), (Ok("c".into()), 3));
        assert_eq!(raced("!a !b", LONG), (Err(vec!["!a".into(), "!b".into()]), 2));
        assert_eq!(raced("", LONG), (Err(vec![]), 0));
    }

    #[test]
    fn silence_is_not_waited_for_alone() {
        assert_eq!(raced("?a ?b !c d", Duration::from_millis(1)), (Ok("d".into()), 4));
    }

    #[test]
    fn a_final_failure_ends_it() {
        assert_eq!(raced("!a !final c", LONG), (Err(vec!["!a".into(), "!final".into()]), 2));
    }
}
