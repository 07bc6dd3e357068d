//! One run of messages on its way to the subscribers of this server: encoded once for each encoding
//! that somebody speaks, queued to each receiver once. [`super::remote`] is the way to other servers.

use super::batch::Batch;
use super::channel::{Item, Publisher, Run, Wanted};
use super::client::Client;
use super::matcher::PatternNode;
use super::subscribers::{pick, Group, Share, Subscribers};
use crate::block::Encoded;
use hubbub_shared::encoding::{MessageRef, Out, Payload};
use hubbub_shared::Encoding;
use indexmap::IndexMap;
use smallvec::SmallVec;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Work of passing over a receiver, in the batch's measure.
const PASSED_OVER: usize = 64;

/// The n-th message of a run.
#[inline]
fn message<'a>(first: &MessageRef<'a>, n: usize, item: &'a Item<'_>, via: Option<&'a str>) -> MessageRef<'a> {
    MessageRef {
        seq: first.seq + n as u64,
        payload: item.payload,
        headers: item.headers,
        reply: item.reply.as_deref(),
        via,
        ..*first
    }
}

/// One run of messages on its way to its receivers.
pub struct FanOut<'a, 'b> {
    head: MessageRef<'a>,
    items: &'a [Item<'a>],
    publisher: &'a Publisher<'a>,
    batch: &'b mut Batch,
    /// Where the run comes from another server: for whom it is here.
    wanted: Option<Wanted<'a>>,
    /// How many clients each message was queued to.
    pub receivers: u64,
}

/// The groups of which a member here got the messages.
#[derive(Default)]
pub struct Served(SmallVec<[Arc<str>; 2]>);

impl Served {
    /// Whether this one is among them.
    pub fn contains(&self, group: &str) -> bool {
        self.0.iter().any(|served| **served == *group)
    }
}

impl<'a, 'b> FanOut<'a, 'b> {
    /// A run; for whom it is here, where it comes from another server.
    pub fn new(run: &'a Run<'a>, wanted: Option<Wanted<'a>>, batch: &'b mut Batch) -> Self {
        let head = MessageRef {
            channel: run.channel,
            from: run.publisher.name,
            seq: run.first_seq,
            origin: run.origin,
            at: run.at,
            payload: Payload::Json("null"),
            via: None,
            headers: None,
            reply: None,
        };
        FanOut { head, items: run.items, publisher: run.publisher, batch, wanted, receivers: 0 }
    }

    /// Queues the run to everyone here who is to have it.
    #[inline]
    pub fn local(&mut self, exact: Option<&Subscribers>, nodes: &[Arc<PatternNode>]) -> Served {
        if !nodes.is_empty() {
            return self.overlapping(exact, nodes);
        }
        let Some(exact) = exact else { return Served::default() };
        self.lanes(exact, None, |_| true);
        self.groups(&[(exact, None)])
    }

    fn is_left_out(&self, client: &Client) -> bool {
        !self.publisher.echo && self.publisher.client.is_some_and(|p| p.key == client.key)
    }

    /// Encodes some of the messages; large payloads by reference, where they are written as they came.
    fn encode(&mut self, encoding: Encoding, via: Option<&str>, range: Range<usize>) -> Encoded {
        let mut block = self.batch.block();
        for n in range {
            let message = message(&self.head, n, &self.items[n], via);
            // Its length first: whether it is written as it came is work to find out.
            let received = self.publisher.received.filter(|r| r.may_share(message.payload.raw().len()));
            let verbatim = received.and_then(|received| {
                let payload = encoding.verbatim(message.payload)?;
                Some((payload, received.share(payload)?))
            });
            match verbatim {
                Some((payload, shared)) => {
                    let at = encoding.push_around(&message, payload, block.out());
                    block.insert(at, shared.bytes);
                }
                None => encoding.push(&Out::Message(message), block.out()),
            }
        }
        Encoded::new(block)
    }

    /// Queues the run to its only receiver of a lane, encoded where it is queued.
    fn deliver_alone(&mut self, client: &Arc<Client>, encoding: Encoding, via: Option<&str>) {
        let (head, items) = (self.head, self.items);
        let queued = self.batch.write(client, items.len() as u64, |out| {
            for (n, item) in items.iter().enumerate() {
                encoding.push(&Out::Message(message(&head, n, item, via)), out);
            }
        });
        self.receivers += u64::from(queued);
    }

    /// Encodes the run once for each encoding that somebody speaks, and queues it to all of them
    /// for whom `first` says that they do not have it yet.
    fn lanes(
        &mut self,
        subscribers: &Subscribers,
        via: Option<&str>,
        mut first: impl FnMut(&Client) -> bool,
    ) {
        if self.wanted.is_some_and(|wanted| !wanted.plain) {
            return;
        }
        for encoding in Encoding::ALL {
            let lane = subscribers.lane(encoding);
            // Made for the first who needs it: of overlapping patterns most have nobody left.
            let mut block: Option<Encoded> = None;
            for client in lane.values() {
                if self.is_left_out(client) || !first(client) {
                    self.batch.worked(PASSED_OVER);
                } else if lane.len() == 1 && self.publisher.received.is_none() {
                    self.deliver_alone(client, encoding, via);
                } else {
                    let block = block.get_or_insert_with(|| self.encode(encoding, via, 0..self.items.len()));
                    let queued = self.batch.deliver(client, block, self.items.len() as u64);
                    self.receivers += u64::from(queued);
                }
            }
            if let Some(block) = block {
                self.batch.reuse(block);
            }
        }
    }

    /// The general case: a client receives one copy, however many of its patterns cover the
    /// channel; the channel's own subscribers come first, and without `via`.
    fn overlapping(&mut self, exact: Option<&Subscribers>, nodes: &[Arc<PatternNode>]) -> Served {
        let mut seen: HashSet<u64, foldhash::fast::RandomState> = HashSet::default();
        if let Some(exact) = exact {
            self.lanes(exact, None, |_| true);
        }
        let guards: Vec<_> = nodes.iter().map(|node| node.subscribers.read()).collect();
        for (node, subscribers) in nodes.iter().zip(&guards) {
            let first = |client: &Client| {
                !exact.is_some_and(|e| e.has(client)) && (nodes.len() == 1 || seen.insert(client.key))
            };
            self.lanes(subscribers, Some(node.pattern.as_str()), first);
        }
        let wild = nodes.iter().zip(&guards).map(|(node, guard)| (&**guard, Some(node.pattern.as_str())));
        let all: Vec<_> = exact.map(|exact| (exact, None)).into_iter().chain(wild).collect();
        self.groups(&all)
    }

    /// Gives each message to one member of each group. Groups of one name are one group, whatever
    /// pattern their members came by; who receives everything anyway is not given a share.
    fn groups(&mut self, sources: &[(&Subscribers, Option<&str>)]) -> Served {
        let mut all = Served::default();
        if sources.iter().all(|(subscribers, _)| subscribers.groups().is_empty()) {
            return all;
        }
        let wanted = self.wanted.map(|wanted| wanted.groups);
        let mut by_name: IndexMap<&str, Vec<Share<'_>>, foldhash::fast::RandomState> = IndexMap::default();
        for (subscribers, via) in sources {
            let is_wanted = |group: &&Group| wanted.is_none_or(|wanted| wanted.contains(&&*group.name));
            for group in subscribers.groups().iter().filter(is_wanted) {
                by_name.entry(&group.name).or_default().push((group, *via));
            }
        }
        for same in by_name.values() {
            let mut served = false;
            for n in 0..self.items.len() {
                let skip = |client: &Client| {
                    self.is_left_out(client)
                        || !client.outbox.is_open()
                        || sources.iter().any(|(s, _)| s.has(client))
                };
                let Some((member, via)) = pick(same, skip) else { break };
                let block = self.encode(member.encoding(), via, n..n + 1);
                served |= self.batch.deliver(member, &block, 1);
                self.batch.reuse(block);
            }
            self.receivers += u64::from(served);
            if served {
                all.0.extend(same.first().map(|(group, _)| group.name.clone()));
            }
        }
        all
    }
}
