//! Which wild patterns cover a channel: a tree by tokens, so that the cost of a look-up depends on
//! the channel's tokens and the patterns that match, not on how many patterns there are.

use super::client::Client;
use super::remote::{self, RemoteShares};
use super::subscribers::Subscribers;
use crate::cluster::tables::Share;
use crate::cluster::Peer;
use hubbub_shared::names::{is_hubs_own, Pattern};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// One wild pattern and who is subscribed to it.
pub struct PatternNode {
    /// The pattern.
    pub pattern: Pattern,
    /// Who is subscribed to it.
    pub subscribers: RwLock<Subscribers>,
    /// Who is subscribed to it on other servers.
    pub remote: RwLock<RemoteShares>,
}

impl PatternNode {
    fn is_unused(&self) -> bool {
        self.subscribers.read().is_empty() && self.remote.read().is_empty()
    }
}

#[derive(Default)]
struct Tree {
    children: HashMap<Box<str>, Tree, foldhash::fast::RandomState>,
    star: Option<Box<Tree>>,
    /// The pattern that ends here.
    here: Option<Arc<PatternNode>>,
    /// The pattern that ends here with `>`.
    rest: Option<Arc<PatternNode>>,
}

/// All wild patterns.
#[derive(Default)]
pub struct Matcher {
    tree: RwLock<Tree>,
    version: AtomicU64,
    patterns: AtomicU64,
}

impl Matcher {
    /// Counts the changes of the set of patterns: what was matched at one version holds while it
    /// stands.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Distinct patterns now.
    pub fn len(&self) -> u64 {
        self.patterns.load(Ordering::Relaxed)
    }

    /// Adds a subscriber to a pattern.
    pub fn subscribe(&self, pattern: &Pattern, client: &Arc<Client>, group: Option<&Arc<str>>) {
        let mut tree = self.tree.write();
        self.node(&mut tree, pattern).subscribers.write().add(client, group);
    }

    /// What another server wants of a pattern.
    pub fn set_remote(&self, pattern: &Pattern, peer: &Arc<Peer>, share: Option<Share>) {
        let mut tree = self.tree.write();
        if share.is_some() {
            remote::set(&mut self.node(&mut tree, pattern).remote.write(), peer, share);
        } else if let Some(node) = tree.slot(pattern).clone() {
            remote::set(&mut node.remote.write(), peer, None);
            self.prune(&mut tree, &node);
        } else {
            tree.prune(pattern);
        }
    }

    /// How many are subscribed to a pattern here.
    pub fn share(&self, pattern: &Pattern) -> Share {
        let mut tree = self.tree.write();
        let Some(node) = tree.slot(pattern).clone() else {
            tree.prune(pattern);
            return Share::default();
        };
        let share = node.subscribers.read().share();
        share
    }

    /// All patterns.
    pub fn all(&self) -> Vec<Pattern> {
        let mut found = Vec::new();
        self.tree.read().walk(&mut found);
        found
    }

    fn node<'t>(&self, tree: &'t mut Tree, pattern: &Pattern) -> &'t Arc<PatternNode> {
        let slot = tree.slot(pattern);
        if slot.is_none() {
            self.patterns.fetch_add(1, Ordering::Relaxed);
            self.version.fetch_add(1, Ordering::Release);
        }
        slot.get_or_insert_with(|| {
            Arc::new(PatternNode {
                pattern: pattern.clone(),
                subscribers: RwLock::default(),
                remote: RwLock::default(),
            })
        })
    }

    fn prune(&self, tree: &mut Tree, node: &PatternNode) {
        if node.is_unused() {
            tree.prune(&node.pattern);
            self.patterns.fetch_sub(1, Ordering::Relaxed);
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// Removes a subscriber from a pattern.
    pub fn unsubscribe(&self, pattern: &Pattern, client: &Client, group: Option<&Arc<str>>) {
        let mut tree = self.tree.write();
        let Some(node) = tree.slot(pattern).clone() else { return tree.prune(pattern) };
        node.subscribers.write().remove(client, group);
        self.prune(&mut tree, &node);
    }

    /// The patterns that cover a channel, and the version at which they did.
    pub fn matching(&self, channel: &str) -> (u64, Vec<Arc<PatternNode>>) {
        let tree = self.tree.read();
        let version = self.version();
        let mut found = Vec::new();
        tree.collect(Some(channel), !is_hubs_own(channel), &mut found);
        (version, found)
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('.') {
        Some((token, rest)) => (token, Some(rest)),
        None => (path, None),
    }
}

impl Tree {
    /// Where a pattern stands, or would.
    fn slot(&mut self, pattern: &Pattern) -> &mut Option<Arc<PatternNode>> {
        let mut tree = self;
        for token in pattern.as_str().split('.') {
            tree = match token {
                ">" => return &mut tree.rest,
                "*" => tree.star.get_or_insert_default(),
                _ => tree.children.entry(token.into()).or_default(),
            };
        }
        &mut tree.here
    }

    /// Removes a pattern, and the branches that lead to nothing then.
    fn prune(&mut self, pattern: &Pattern) {
        self.prune_path(Some(pattern.as_str()));
    }

    /// Returns whether nothing is left.
    fn prune_path(&mut self, path: Option<&str>) -> bool {
        match path.map(split) {
            None => self.here = None,
            Some((">", _)) => self.rest = None,
            Some(("*", rest)) => {
                if self.star.as_mut().is_some_and(|t| t.prune_path(rest)) {
                    self.star = None;
                }
            }
            Some((token, rest)) => {
                if self.children.get_mut(token).is_some_and(|t| t.prune_path(rest)) {
                    self.children.remove(token);
                    if self.children.is_empty() {
                        self.children.shrink_to_fit();
                    }
                }
            }
        }
        self.here.is_none() && self.rest.is_none() && self.star.is_none() && self.children.is_empty()
    }

    fn walk(&self, found: &mut Vec<Pattern>) {
        found.extend(self.here.iter().chain(&self.rest).map(|node| node.pattern.clone()));
        self.star.iter().for_each(|tree| tree.walk(found));
        self.children.values().for_each(|tree| tree.walk(found));
    }

    /// Depth is bounded by the tokens of a channel, of which there are 16 at the most. A wildcard
    /// at the root does not cover the hub's own channels.
    fn collect(&self, path: Option<&str>, wild: bool, found: &mut Vec<Arc<PatternNode>>) {
        let Some((token, rest)) = path.map(split) else {
            found.extend(self.here.clone());
            return;
        };
        if wild {
            found.extend(self.rest.clone());
            if let Some(star) = &self.star {
                star.collect(rest, true, found);
            }
        }
        if let Some(child) = self.children.get(token) {
            child.collect(rest, true, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;
    use crate::hub::client_manager::ClientManager;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    fn client() -> Arc<Client> {
        ClientManager::new(1000).open(SocketAddr::from(([127, 0, 0, 1], 9)), None, Now::read())
    }

    fn found(matcher: &Matcher, channel: &str) -> Vec<String> {
        let mut names: Vec<_> = matcher.matching(channel).1.iter().map(|n| n.pattern.to_string()).collect();
        names.sort();
        names
    }

    prop_compose! {
        fn pattern()(tokens in prop::collection::vec("a|b|\\*|\\$s", 1..4), rest in any::<bool>()) -> Option<Pattern> {
            let text = tokens.join(".") + if rest { ".>" } else { "" };
            Pattern::parse(&text).ok()
        }
    }

    proptest! {
        /// The tree finds what asking each pattern in turn finds, whatever was added and removed.
        #[test]
        fn equals_the_naive_matcher(
            patterns in prop::collection::vec((pattern(), any::<bool>()), 0..20),
            channels in prop::collection::vec("(a|b|\\$s)(\\.(a|b|c)){0,3}", 1..8),
        ) {
            let (matcher, client) = (Matcher::default(), client());
            let mut kept = std::collections::BTreeSet::new();
            for (pattern, keep) in patterns {
                let Some(pattern) = pattern else { continue };
                matcher.subscribe(&pattern, &client, None);
                kept.insert(pattern.clone());
                if !keep {
                    matcher.unsubscribe(&pattern, &client, None);
                    kept.remove(&pattern);
                }
            }
            prop_assert_eq!(matcher.len(), kept.len() as u64);
            for channel in channels {
                let naive: Vec<String> =
                    kept.iter().filter(|p| p.matches(&channel)).map(|p| p.to_string()).collect();
                prop_assert_eq!(found(&matcher, &channel), naive);
            }
            for pattern in &kept {
                matcher.unsubscribe(pattern, &client, None);
            }
            prop_assert!(matcher.tree.read().children.is_empty() && matcher.tree.read().star.is_none());
        }
    }

    #[test]
    fn the_version_changes_with_the_set_of_patterns_alone() {
        let (matcher, one, two) = (Matcher::default(), client(), client());
        let pattern = Pattern::parse("a.*").expect("a pattern");
        matcher.subscribe(&pattern, &one, None);
        let version = matcher.version();
        let other = ClientManager::new(10).open(two.addr, None, Now::read());
        matcher.subscribe(&pattern, &other, Some(&"g".into()));
        matcher.unsubscribe(&pattern, &other, Some(&"g".into()));
        assert_eq!(matcher.version(), version);
        matcher.unsubscribe(&pattern, &one, None);
        assert!(matcher.version() > version);
    }
}
