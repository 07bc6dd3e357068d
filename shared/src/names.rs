//! Names of clients, channels, patterns and services: parsed once, valid from there on.
//!
//! The grammars are the protocol's. All allowed characters are printable ASCII that neither JSON
//! nor the text encoding has to escape, so a valid name is copied to the wire as it stands.

use crate::limits::{MAX_CHANNEL_BYTES, MAX_CHANNEL_TOKENS, MAX_NAME_BYTES};
use crate::refusal::{Code, Refusal};
use std::fmt;
use std::sync::Arc;

macro_rules! name_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The shared string behind the name.
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name_type! {
    /// A client's name: 1–32 of `A-Z a-z 0-9 _ - . [ ] { } ^ |`, starting with a letter, digit or `_`.
    ClientName
}
name_type! {
    /// A literal channel: tokens of `A-Z a-z 0-9 _ - + = @ : / ~` separated by `.`; the first token
    /// may start with `$`, which marks the hub's own channels.
    ChannelName
}
name_type! {
    /// What a subscription asks for: a channel name in which whole tokens may be `*` (any one token)
    /// or, at the end, `>` (one or more tokens).
    Pattern
}

impl ClientName {
    /// Checks a name against the grammar.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        check_client_name(text)?;
        Ok(ClientName(text.into()))
    }

    /// The name without regard to case: the key under which it is unique. Most names are their own.
    pub fn folded(&self) -> Arc<str> {
        if self.0.bytes().any(|b| b.is_ascii_uppercase()) {
            fold(&self.0).into()
        } else {
            self.0.clone()
        }
    }
}

/// A client name without regard to case. The grammar is ASCII, so ASCII folding is exact.
pub fn fold(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into_boxed_str()
}

/// Checks a name of a client or group without keeping it: the form of [`ClientName::parse`] for what is
/// only passed on.
pub fn client_str(text: &str) -> Result<&str, Refusal> {
    check_client_name(text).map(|()| text)
}

fn check_client_name(text: &str) -> Result<(), Refusal> {
    const RULE: &str =
        "a name is 1 to 32 of A-Z a-z 0-9 _ - . [ ] { } ^ | and starts with a letter, a digit or _";
    let bytes = text.as_bytes();
    let body = |b: &u8| b.is_ascii_alphanumeric() || b"_-.[]{}^|".contains(b);
    let good = bytes.len() <= MAX_NAME_BYTES
        && bytes.first().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && bytes.iter().all(body);
    if good {
        Ok(())
    } else {
        Err(Refusal::new(Code::BadName, format!("{}: {RULE}", quote(text))))
    }
}

/// A text as a short quotation for an error message: escaped, and cut where it is long.
pub fn quote(text: &str) -> String {
    const SHOWN: usize = 40;
    let mut out = String::with_capacity(text.len().min(SHOWN) + 3);
    out.push('"');
    for (shown, ch) in text.chars().enumerate() {
        if shown == SHOWN {
            out.push('…');
            break;
        }
        match ch {
            '"' => out.push_str("\\\""),
            c if crate::encoding::escape::needs_escape(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl ChannelName {
    /// Checks a literal channel name; IRC's leading `#` is dropped.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        channel_str(text).map(|s| ChannelName(s.into()))
    }
}

/// Whether a channel belongs to the hub: `$sys…`, `$inbox…`.
pub fn is_hubs_own(channel: &str) -> bool {
    channel.starts_with('$')
}

/// Whether a channel is in some client's inbox.
pub fn is_inbox(channel: &str) -> bool {
    channel.starts_with("$inbox.")
}

/// Checks a literal channel name without keeping it: the hot path's form of [`ChannelName::parse`].
pub fn channel_str(text: &str) -> Result<&str, Refusal> {
    let name = text.strip_prefix('#').unwrap_or(text);
    check_tokens(name, false).map_err(|why| bad_channel(text, why))?;
    Ok(name)
}

impl Pattern {
    /// Checks a pattern; IRC's leading `#` is dropped.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let name = text.strip_prefix('#').unwrap_or(text);
        check_tokens(name, true).map_err(|why| bad_channel(text, why))?;
        Ok(Pattern(name.into()))
    }

    /// Whether any token is a wildcard.
    pub fn is_wild(&self) -> bool {
        self.0.split('.').any(|t| t == "*" || t == ">")
    }

    /// The pattern as a channel name, unless it is wild.
    pub fn to_channel(&self) -> Option<ChannelName> {
        (!self.is_wild()).then(|| ChannelName(self.0.clone()))
    }

    /// Whether the pattern covers a channel. A leading wildcard does not cover the hub's own
    /// channels (`$…`): whoever wants those names them.
    pub fn matches(&self, channel: &str) -> bool {
        if is_hubs_own(channel) && !is_hubs_own(&self.0) {
            return false;
        }
        let mut tokens = channel.split('.');
        for want in self.0.split('.') {
            match (want, tokens.next()) {
                (">", Some(_)) => return true,
                (_, None) => return false,
                ("*", Some(_)) => {}
                (want, Some(token)) if want == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }
}

fn bad_channel(text: &str, why: &str) -> Refusal {
    Refusal::new(Code::BadChannel, format!("{}: {why}", quote(text)))
}

/// One table look-up a byte: what a byte may be in a channel name.
const BODY: u8 = 1;
const DOT: u8 = 2;
const WILD: u8 = 3;
const DOLLAR: u8 = 4;
const CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut b = 0;
    while b < 128 {
        let c = b as u8;
        if c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'+' | b'=' | b'@' | b':' | b'/' | b'~') {
            table[b] = BODY;
        }
        b += 1;
    }
    table[b'.' as usize] = DOT;
    table[b'*' as usize] = WILD;
    table[b'>' as usize] = WILD;
    table[b'$' as usize] = DOLLAR;
    table
};

fn check_tokens(name: &str, wild_allowed: bool) -> Result<(), &'static str> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_CHANNEL_BYTES {
        return Err("a channel name has 1 to 200 bytes");
    }
    let (mut tokens, mut length, mut wild_token) = (1, 0, false);
    for (at, &byte) in bytes.iter().enumerate() {
        match CLASS[byte as usize] {
            BODY if !wild_token => length += 1,
            DOLLAR if at == 0 && bytes.len() > 1 => length += 1,
            DOT => {
                if length == 0 {
                    return Err("a token between dots must not be empty");
                }
                (tokens, length, wild_token) = (tokens + 1, 0, false);
            }
            WILD if !wild_allowed => {
                return Err("only a subscription may hold wildcards; name one channel here");
            }
            WILD if length == 0 => {
                if byte == b'>' && at + 1 != bytes.len() {
                    return Err("> stands only at the end");
                }
                (length, wild_token) = (1, true);
            }
            BODY | WILD => return Err("* and > are wildcards only as whole tokens"),
            DOLLAR => return Err("$ stands only at the start of the hub's own channels"),
            _ => return Err("a channel name is tokens of A-Z a-z 0-9 _ - + = @ : / ~ separated by dots"),
        }
    }
    if length == 0 {
        return Err("a token between dots must not be empty");
    }
    if tokens > MAX_CHANNEL_TOKENS {
        return Err("a channel name has at most 16 tokens");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn client_names_follow_the_grammar() {
        for good in ["a", "bob", "_x", "9", "a.b-c[d]{e}^f|g", &"n".repeat(32)] {
            assert_eq!(ClientName::parse(good).map(|n| n.to_string()), Ok(good.to_string()));
        }
        for bad in ["", "-a", ".a", "a b", "bob\u{7}", "bøb", &"n".repeat(33), "a@b", "a*"] {
            let refusal = ClientName::parse(bad).expect_err(bad);
            assert_eq!(refusal.code, Code::BadName);
            assert!(refusal.message.contains("1 to 32"), "{refusal}");
        }
    }

    #[test]
    fn channels_follow_the_grammar() {
        for good in ["ops", "#ops", "a.b.c", "A_-+=@:/~.9", "$sys.client.opened", &"c".repeat(200)] {
            assert!(channel_str(good).is_ok(), "{good}");
        }
        assert_eq!(channel_str("#ops"), Ok("ops"));
        let deep = vec!["t"; 17].join(".");
        for bad in
            ["", "#", ".", "a.", ".a", "a..b", "a b", "a*", "*", ">", "a.>", "a$b", "$", "ø", "##a", &deep]
        {
            assert_eq!(channel_str(bad).expect_err(bad).code, Code::BadChannel);
        }
    }

    #[test]
    fn patterns_follow_the_grammar() {
        for good in ["*", ">", "a.*", "a.>", "*.b.>", "$sys.>", "#a.*"] {
            assert!(Pattern::parse(good).is_ok_and(|p| p.is_wild()), "{good}");
        }
        for bad in ["a*", "*a", ">.a", "a.>b", "**", "a.>.b", "*>"] {
            assert_eq!(Pattern::parse(bad).expect_err(bad).code, Code::BadChannel);
        }
    }

    #[test]
    fn wildcards_match_whole_tokens() {
        let matches = |p: &str, c: &str| Pattern::parse(p).expect(p).matches(c);
        assert!(matches("a.*", "a.b") && !matches("a.*", "a") && !matches("a.*", "a.b.c"));
        assert!(matches("a.>", "a.b") && matches("a.>", "a.b.c") && !matches("a.>", "a"));
        assert!(matches("*.b", "a.b") && matches(">", "a") && matches("a", "a"));
        assert!(!matches(">", "$sys.client.opened") && matches("$sys.>", "$sys.client.opened"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_accepted_is_plain(text in "\\PC{0,40}|[a-c$.*>#]{0,12}") {
            if let Ok(name) = ClientName::parse(&text) {
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'));
            }
            if let Ok(name) = ChannelName::parse(&text) {
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'));
                // A literal name is a pattern that matches itself alone.
                let pattern = Pattern::parse(&text).expect("a channel is a pattern");
                prop_assert!(!pattern.is_wild() && pattern.matches(name.as_str()));
            }
        }
    }
}
