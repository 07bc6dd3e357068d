//! The tokens of a JSON text and the strings in it, on the way from what was written to what is
//! shown. Used by folding and expanding alone.

use super::super::safe::{cut, replace, width, Unfit};
use super::Token;
use hubbub_shared::encoding::escape::needs_escape;
use std::borrow::Cow;

/// White space between tokens.
pub fn is_space(ch: char) -> bool {
    matches!(ch, ' ' | '\t' | '\n' | '\r')
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lex {
    Open,
    Close,
    Comma,
    Colon,
    Text,
    Number,
    Word,
}

impl Lex {
    /// How it is coloured.
    pub fn token(self) -> Token {
        match self {
            Lex::Open | Lex::Close | Lex::Comma | Lex::Colon => Token::Punctuation,
            Lex::Text => Token::String,
            Lex::Number => Token::Number,
            Lex::Word => Token::Word,
        }
    }
}

/// Cuts a valid JSON text into tokens; another text into something, without harm.
#[derive(Clone, Copy)]
pub struct Lexer<'a> {
    pub raw: &'a str,
    /// Where it stands.
    pub at: usize,
}

impl<'a> Lexer<'a> {
    /// Where the next token begins, and what it is.
    fn look(&self) -> Option<(usize, Lex)> {
        let bytes = &self.raw.as_bytes()[self.at..];
        let space = bytes.iter().position(|b| !is_space(*b as char))?;
        let lex = match bytes[space] {
            b'{' | b'[' => Lex::Open,
            b'}' | b']' => Lex::Close,
            b',' => Lex::Comma,
            b':' => Lex::Colon,
            b'"' => Lex::Text,
            b'-' | b'0'..=b'9' => Lex::Number,
            _ => Lex::Word,
        };
        Some((self.at + space, lex))
    }

    /// What the next token is.
    pub fn peek(&self) -> Option<Lex> {
        self.look().map(|(_, lex)| lex)
    }

    /// The next token, as it was written.
    pub fn next(&mut self) -> Option<(Lex, &'a str)> {
        let (start, lex) = self.look()?;
        let bytes = &self.raw.as_bytes()[start..];
        let len = match lex {
            Lex::Text => string_len(bytes),
            Lex::Number | Lex::Word => bytes
                .iter()
                .position(|b| is_space(*b as char) || b"{}[],:\"".contains(b))
                .unwrap_or(bytes.len()),
            _ => 1,
        };
        self.at = start + len;
        Some((lex, &self.raw[start..self.at]))
    }

    /// From the start of a member: how many members there are up to the end of the container. The
    /// lexer then stands behind it.
    pub fn members(&mut self) -> usize {
        let (mut depth, mut members) = (0usize, 1);
        while let Some((lex, _)) = self.next() {
            match lex {
                Lex::Open => depth += 1,
                Lex::Close if depth == 0 => break,
                Lex::Close => depth -= 1,
                Lex::Comma if depth == 0 => members += 1,
                _ => {}
            }
        }
        members
    }
}

/// The bytes of the string that a text begins with, quotes included.
fn string_len(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        // What is escaped is ASCII in valid JSON; behind any other character it may be in its middle.
        at += 1 + usize::from(bytes.get(at + 1).is_some_and(u8::is_ascii));
    }
    bytes.len()
}

/// A string as it was written, but for what does not fit cells: that is escaped as JSON has it.
pub fn as_written(token: &str) -> Cow<'_, str> {
    replace(token, |ch, _, out| escape(ch, out))
}

fn escape(ch: char, out: &mut String) {
    for unit in ch.encode_utf16(&mut [0; 2]) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// A string for reading in at most `most` columns, and whether something was left out: escapes of
/// characters that can be shown are resolved (many programs escape all but ASCII), what has no
/// shape goes.
pub fn readable(token: &str, most: usize) -> (String, bool) {
    let inner = &token[1..token.len() - usize::from(token.len() > 1 && token.ends_with('"'))];
    let mut text = String::from('"');
    let mut rest = inner;
    // Marks take no column, so that the columns alone are no bound.
    for _ in 0..4 * most {
        let Some(ch) = rest.chars().next() else { break };
        let (resolved, len) = match ch {
            '\\' => match unescaped(rest) {
                (Some(ch), len) if !needs_escape(ch) && !matches!(ch, '"' | '\\') => (Some(ch), len),
                (_, len) => (None, len),
            },
            _ => (Some(ch), ch.len_utf8()),
        };
        match resolved {
            Some(ch) => text.push(ch),
            None => text.push_str(&rest[..len]),
        }
        rest = &rest[len..];
    }
    let fit = replace(&text, |ch, why, out| match why {
        Unfit::Hidden => {}
        _ => escape(ch, out),
    });
    if rest.is_empty() && width(&fit) < most {
        return (format!("{fit}\""), false);
    }
    let mut fit = fit.into_owned();
    if !rest.is_empty() {
        fit.push('…');
    }
    (format!("{}\"", cut(&fit, most.saturating_sub(1))), true)
}

/// The character that an escape at the start of a text stands for, and the escape's bytes. None is
/// half a surrogate pair, or no escape.
fn unescaped(text: &str) -> (Option<char>, usize) {
    let unit = |at: usize| {
        let hex = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(hex, 16).ok()
    };
    match text[1..].chars().next() {
        Some('/') => (Some('/'), 2),
        Some('u') => {
            let units = [unit(0), unit(6)];
            let one = char::decode_utf16(units[0]).next().and_then(Result::ok);
            let pair = char::decode_utf16(units.into_iter().flatten()).next().and_then(Result::ok);
            match (units[0], one, pair) {
                (None, ..) => (None, 1),
                (_, Some(one), _) => (Some(one), 6),
                (_, None, Some(pair)) => (Some(pair), 12),
                (_, None, None) => (None, 6),
            }
        }
        Some(ch) => (None, 1 + ch.len_utf8()),
        None => (None, 1),
    }
}
