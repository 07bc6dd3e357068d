//! What the hub sends unasked, put where it belongs, and whether it rings.

use super::super::config::Bell;
use super::super::conversation::Kind;
use super::super::entry::{millis, Looks, Said, What};
use super::super::mention;
use super::{App, Me, Question};
use crate::show;
use crate::style::Style;
use crate::terminal::inbox::{Arrival, Asked};
use hubbub_client::{Event, Gap, Message};
use hubbub_shared::encoding::json as wire;
use hubbub_shared::event::Direct;
use serde_json::value::RawValue;

/// Within what time after a key somebody is taken to look at the screen, in milliseconds. A guess;
/// terminals that tell whether they are looked at are asked.
const LOOKS: i64 = 10_000;

/// What something that arrived is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Plain,
    Mention,
}

impl App {
    /// Takes in one thing that arrived.
    pub fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Message(message) => self.heard(message),
            Arrival::Gap(gap) => self.missed(&gap),
            Arrival::Event(event) => self.happened(event),
            Arrival::Asked(asked) => self.was_asked(&asked),
            Arrival::Parted(pattern) => {
                let words =
                    format!("{pattern} is not subscribed to any more: the hub refused it; /join asks again");
                let now = self.now;
                self.everywhere_seen(|c| {
                    c.scrollback.push(now, What::Error(words.as_str().into()));
                });
            }
            Arrival::Ended => self.ended = true,
        }
    }

    fn heard(&mut self, message: Message) {
        let Some(index) = self.channel(&message.channel) else { return };
        self.heard = index;
        let own = message.from == self.me.name && message.origin == self.me.origin;
        let mention = !own && self.is_mention(message.data.get());
        let at = millis(&message.at);
        let seen = self.is_seen(index);
        let conversation = &mut self.conversations[index];
        let wild = conversation.name() != message.channel;
        let said = Said {
            from: message.from.into(),
            data: message.data,
            channel: wild.then(|| message.channel.into()),
            stamp: Some((message.origin.into(), message.seq)),
            own,
            mention,
            looks: Looks::default(),
        };
        conversation.said(at, said, seen);
        if !own {
            self.notify(index, if mention { Weight::Mention } else { Weight::Plain });
        }
    }

    /// Whether a payload names the person, or holds a word that is watched for.
    pub(super) fn is_mention(&self, raw: &str) -> bool {
        mention::names(raw, std::slice::from_ref(&self.me.name))
            || (!self.config.highlight.is_empty() && mention::names(raw, &self.config.highlight))
    }

    fn missed(&mut self, gap: &Gap) {
        let index = self.channel(&gap.channel).unwrap_or(0);
        let now = self.now;
        if index == 0 {
            return self.conversations[0].notice(now, show::gap(gap));
        }
        self.conversations[index].missed(now, &gap.origin, gap.missed);
    }

    fn direct(&mut self, direct: Direct) {
        // A run of a server is its name, a dash and six hex digits.
        let server = direct.origin.rsplit_once('-').map(|(server, _)| server.to_owned());
        let at = millis(&direct.at);
        let Some(index) = self.person_who_wrote(&direct.from, server.as_deref()) else {
            let text = wire::string(direct.data.get()).unwrap_or(direct.data.get().into());
            let from = server.map(|server| format!("{}@{server}", direct.from)).unwrap_or(direct.from);
            self.conversations[0].notice(at, format!("{from} writes: {text}"));
            return self.count_among_the_hubs();
        };
        let said = Said {
            from: direct.from.into(),
            data: direct.data,
            channel: None,
            stamp: None,
            own: false,
            mention: true,
            looks: Looks::default(),
        };
        let seen = self.is_seen(index);
        self.conversations[index].said(at, said, seen);
        self.notify(index, Weight::Mention);
    }

    fn count_among_the_hubs(&mut self) {
        if self.current != 0 {
            self.conversations[0].unread += 1;
            self.conversations[0].mentions += 1;
        }
        self.notify(0, Weight::Mention);
    }

    /// Whether what comes to a conversation now is seen.
    fn is_seen(&self, index: usize) -> bool {
        index == self.current && self.focused && self.here().place.follows()
    }

    /// Shows what was said to somebody: it does not come back by itself.
    pub(super) fn told(&mut self, to: &str, data: Box<RawValue>) {
        let (index, now, from) = (self.open_person(to), self.now, self.me.name.clone());
        self.conversations[index].kept = true;
        let said = Said {
            from: from.into(),
            data,
            channel: None,
            stamp: None,
            own: true,
            mention: false,
            looks: Looks::default(),
        };
        self.conversations[index].said(now, said, true);
        if index != self.current {
            self.flash(format!("said to {to}"));
        }
    }

    fn was_asked(&mut self, asked: &Asked) {
        let text = wire::string(asked.data.get()).unwrap_or(asked.data.get().into());
        let words = format!(
            "{} asks {}: {text}\nanswer with /respond {} TEXT",
            asked.from, asked.service, asked.request_id
        );
        let now = self.now;
        self.conversations[0].notice(now, words);
        self.count_among_the_hubs();
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Direct(direct) => return self.direct(direct),
            // It is told where the messages are missing.
            Event::Gap(_) => return,
            Event::Refused(refusal) => {
                let now = self.now;
                return self.everywhere_seen(|c| {
                    c.scrollback.push(now, What::Error(refusal.to_string().into()));
                });
            }
            Event::Disconnected { .. } => {
                self.link.lost_at = Some(self.link.lost_at.unwrap_or(self.now));
                self.ask_nothing();
            }
            // A server may be gone.
            Event::Notice(_) => self.asked.servers = 0,
            Event::Reconnected { .. } => self.came_back(),
            _ => {}
        }
        if let Some(words) = show::event(&event, Style::PLAIN) {
            let (now, words) = (self.now, words.trim_start_matches("* ").to_owned());
            self.everywhere_seen(|conversation| conversation.notice(now, words.clone()));
        }
    }

    /// Tells the hub's conversation, and the one that is shown.
    fn everywhere_seen(&mut self, mut tell: impl FnMut(&mut super::Conversation)) {
        tell(&mut self.conversations[0]);
        if self.current != 0 {
            tell(&mut self.conversations[self.current]);
        }
    }

    /// There is a connection again: what was missed is fetched as far as it can be.
    fn came_back(&mut self) {
        let lost_at = self.link.lost_at.take().unwrap_or(self.now);
        let now = self.now;
        let seconds = (now - lost_at) as f64 / 1000.0;
        for index in 1..self.conversations.len() {
            let words = match self.conversations[index].kind {
                Kind::Person(_) => "what was written is lost",
                _ => "messages may be missing",
            };
            self.conversations[index].cut_off(now, format!("no connection for {seconds:.1} s, {words}"));
            if let Some(channel) = self.conversations[index].channel() {
                self.ask_about(&channel, true);
            }
        }
        self.asked = super::asking::Asked::default();
        if let Some(away) = &self.away {
            let words = away.words.clone();
            self.ask(Question::Welcome(words));
        }
    }

    /// Takes in who one is now, and where.
    pub fn is(&mut self, me: Me) {
        self.me = me;
    }

    fn notify(&mut self, index: usize, weight: Weight) {
        if self.conversations[index].muted {
            return;
        }
        let here = index == self.current && self.here().place.follows();
        let looks = here && self.focused && self.now - self.pressed_at < LOOKS;
        let rings = match self.config.bell {
            Bell::All => true,
            Bell::Mentions => weight == Weight::Mention,
            Bell::Never => false,
        };
        if rings && !looks {
            self.ring();
        }
    }

    /// The terminal tells whether it is looked at.
    pub fn focus(&mut self, focused: bool) {
        self.focused = focused;
        if focused {
            self.pressed_at = self.now;
            if self.here().place.follows() {
                self.here_mut().look();
            }
        }
    }
}
