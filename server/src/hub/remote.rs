//! Subscribers on other servers: which of them want a channel's messages, and sending a run on to
//! them. A run is encoded once, and sent to each server once, however many subscribers it has there.
//! What comes from another server never passes through here: it cannot be sent on.

use super::batch::Batch;
use super::channel::Run;
use super::matcher::PatternNode;
use crate::block::Encoded;
use crate::cluster::frame::{push_run, RunHead, Said, MAX_FRAME_GROUPS};
use crate::cluster::tables::Share;
use crate::cluster::Peer;
use smallvec::SmallVec;
use std::sync::Arc;

/// What one server wants of a channel or pattern.
#[derive(Clone)]
pub struct RemoteShare {
    /// The server.
    pub peer: Arc<Peer>,
    /// For whom.
    pub share: Share,
}

/// What all other servers want of a channel or pattern.
pub type RemoteShares = Vec<RemoteShare>;

/// Replaces what one server wants.
pub fn set(shares: &mut RemoteShares, peer: &Arc<Peer>, share: Option<Share>) {
    let at = shares.iter().position(|s| s.peer.key == peer.key);
    match (at, share.filter(|share| !share.is_empty())) {
        (Some(at), Some(share)) => shares[at].share = share,
        (None, Some(share)) => shares.push(RemoteShare { peer: peer.clone(), share }),
        (Some(at), None) => drop(shares.remove(at)),
        (None, None) => {}
    }
}

/// One server that a run is sent to.
struct Target<'a> {
    peer: &'a Arc<Peer>,
    /// Whether it has plain subscribers.
    plain: bool,
    /// The groups of which one of its members gets each message.
    groups: SmallVec<[&'a str; 2]>,
}

#[derive(Default)]
struct Targets<'a>(SmallVec<[Target<'a>; 4]>);

impl<'a> Targets<'a> {
    fn of(&mut self, peer: &'a Arc<Peer>) -> &mut Target<'a> {
        let at = self.0.iter().position(|target| target.peer.key == peer.key).unwrap_or_else(|| {
            self.0.push(Target { peer, plain: false, groups: SmallVec::new() });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    /// Whether a member of the group gets the run already.
    fn serves(&self, group: &str) -> bool {
        self.0.iter().any(|target| target.groups.contains(&group))
    }
}

/// Queues the run to every server that wants it, and of each group without a member here to one
/// server that has some. Returns how many clients that is, as far as the others have told.
pub fn send(
    run: &Run<'_>,
    exact: &[RemoteShare],
    nodes: &[Arc<PatternNode>],
    is_served: impl Fn(&str) -> bool,
    batch: &mut Batch,
) -> u64 {
    let guards: SmallVec<[_; 4]> = nodes.iter().map(|node| node.remote.read()).collect();
    let shares = || exact.iter().chain(guards.iter().flat_map(|guard| guard.iter()));
    let mut targets = Targets::default();
    let mut receivers = 0;
    for RemoteShare { peer, share } in shares() {
        if share.plain > 0 {
            targets.of(peer).plain = true;
            receivers += u64::from(share.plain);
        }
        for group in share.groups.keys() {
            if is_served(group) || targets.serves(group) {
                continue;
            }
            if let Some(peer) = pick(shares(), group, run.first_seq) {
                targets.of(peer).groups.push(group);
                receivers += 1;
            }
        }
    }
    queue(run, &targets.0, batch);
    receivers
}

fn queue(run: &Run<'_>, targets: &[Target<'_>], batch: &mut Batch) {
    if targets.is_empty() {
        return;
    }
    let at_ms = batch.now.unix_ms;
    let encode_for = |plain: bool, groups: &[&str], out: &mut Vec<u8>| {
        let items = run.items.iter().map(|item| Said {
            payload: item.payload,
            headers: item.headers,
            reply: item.reply.as_deref(),
        });
        let head = RunHead {
            plain,
            groups,
            channel: run.channel,
            from: run.publisher.name,
            at_ms,
            first_seq: run.first_seq,
        };
        push_run(&head, items, out);
    };
    let encode = |target: &Target<'_>, out: &mut Vec<u8>| {
        let mut groups = target.groups.chunks(MAX_FRAME_GROUPS);
        encode_for(target.plain, groups.next().unwrap_or_default(), out);
        groups.for_each(|groups| encode_for(false, groups, out));
    };
    // Most often there is one: it is encoded where it is queued.
    if let [only] = targets {
        return batch.write_to(only.peer, |out| encode(only, out));
    }
    let mut common: Option<Encoded> = None;
    for target in targets {
        if target.groups.is_empty() {
            let block = common.get_or_insert_with(|| {
                let mut block = batch.block();
                encode(target, block.out());
                Encoded::new(block)
            });
            batch.send(target.peer, block);
        } else {
            batch.write_to(target.peer, |out| encode(target, out));
        }
    }
    if let Some(block) = common {
        batch.reuse(block);
    }
}

/// A server that has members of a group: each in turn, as often as it has members.
fn pick<'a>(
    shares: impl Iterator<Item = &'a RemoteShare> + Clone,
    group: &str,
    turn: u64,
) -> Option<&'a Arc<Peer>> {
    let having = || {
        let members = |s: &RemoteShare| s.share.groups.get(group).copied().map_or(0, u64::from);
        shares.clone().filter(|s| s.peer.outbox.is_open()).map(move |s| (s, members(s)))
    };
    let all: u64 = having().map(|(_, members)| members).sum();
    let mut turn = turn.checked_rem(all)?;
    having().find_map(|(share, members)| match turn.checked_sub(members) {
        Some(left) => {
            turn = left;
            None
        }
        None => Some(&share.peer),
    })
}
