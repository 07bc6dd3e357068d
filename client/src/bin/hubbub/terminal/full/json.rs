//! JSON payloads for people: folded to one short line, or expanded over many, with the places of
//! keys, strings and numbers for the colours. Order and spelling are as they were written; all
//! text is safe for cells. Pure; linear in the payload, and no nesting is too deep for it. The
//! caller keeps the result: a payload of a mebibyte is not to be read 80 times a second.

mod lex;

use super::safe::{cut, safe, safe_line, width};
use lex::{as_written, is_space, readable, Lex, Lexer};
use serde_json::value::RawValue;
use std::ops::Range;

/// Columns of a folded payload at the most: two or three rows of a usual window.
pub const MAX_FOLDED: usize = 200;

/// Lines of an expanded payload at the most, before the line that counts the others: ten screens.
pub const MAX_EXPANDED_LINES: usize = 500;

/// Containers within containers of which a folded payload that does not fit shows members.
const MAX_FOLDED_DEPTH: usize = 4;

/// Columns of a key, and of another scalar, in a folded payload that does not fit.
const MAX_KEY: usize = 40;
const MAX_SCALAR: usize = 60;

/// Fewer columns than this are not worth a shortened scalar.
const MIN_SCALAR: usize = 12;

/// Columns that `, …N more}` takes at the most; a count has 11 digits at the most.
const TAIL: usize = 20;

/// A text and what its parts are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marked {
    /// Safe text.
    pub text: String,
    /// Byte ranges of it, in order, not overlapping; what is in none has no colour of its own.
    pub spans: Vec<(Range<usize>, Token)>,
}

/// What a part of a JSON text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The name of a member.
    Key,
    /// A string, quotes included.
    String,
    /// A number, as it was written.
    Number,
    /// `true`, `false` or `null`.
    Word,
    /// Brackets, commas, colons, and the counts of what was left out.
    Punctuation,
}

impl Marked {
    fn push(&mut self, piece: &str, token: Token) {
        let start = self.text.len();
        self.text.push_str(piece);
        self.spans.push((start..self.text.len(), token));
    }
}

/// Whether a payload is an object or an array, by its first character.
pub fn is_structured(raw: &str) -> bool {
    raw.trim_start_matches(is_space).starts_with(['{', '['])
}

fn is_valid(raw: &str) -> bool {
    serde_json::from_str::<&RawValue>(raw).is_ok()
}

/// A payload on one line of at most [`MAX_FOLDED`] columns: `{state: "failed", b: […12], …7 more}`.
/// What is no JSON is shown as text.
pub fn folded(raw: &str) -> Marked {
    if !is_valid(raw) {
        let end = raw.char_indices().nth(4 * MAX_FOLDED).map_or(raw.len(), |(at, _)| at);
        return Marked { text: cut(&safe_line(&raw[..end]), MAX_FOLDED).into_owned(), spans: Vec::new() };
    }
    let mut fold = Fold { raw, out: Marked::default(), columns: 0 };
    if fold.whole(0, MAX_FOLDED).is_none() {
        fold.shortened(0, MAX_FOLDED);
    }
    fold.out
}

/// A payload over many lines, indented by 2 spaces: real JSON that means the same, unless it has
/// more than [`MAX_EXPANDED_LINES`]; then the last line counts the others. What is no JSON is
/// shown as text.
pub fn expanded(raw: &str) -> Marked {
    let mut out = Marked::default();
    let mut lines = 1;
    if !is_valid(raw) {
        let text = safe(raw);
        lines = text.split('\n').count();
        let end = text.match_indices('\n').nth(MAX_EXPANDED_LINES - 1).map_or(text.len(), |(at, _)| at);
        out.text = text[..end].to_string();
    } else {
        let mut lexer = Lexer { raw, at: 0 };
        let mut depth = 0usize;
        while let Some((lex, token)) = lexer.next() {
            let breaks = match lex {
                Lex::Open if lexer.peek() == Some(Lex::Close) => false,
                Lex::Open => {
                    depth += 1;
                    true
                }
                Lex::Comma => true,
                _ => false,
            };
            if lines <= MAX_EXPANDED_LINES {
                match lex {
                    Lex::Text => out.push(&as_written(token), text_token(&lexer)),
                    Lex::Colon => out.push(": ", Token::Punctuation),
                    _ => out.push(token, lex.token()),
                }
            }
            let closes = lexer.peek() == Some(Lex::Close) && lex != Lex::Open;
            if closes {
                depth = depth.saturating_sub(1);
            }
            if breaks || closes {
                lines += 1;
                if lines <= MAX_EXPANDED_LINES {
                    out.text.push('\n');
                    out.text.extend(std::iter::repeat_n("  ", depth));
                }
            }
        }
    }
    if let Some(more) = lines.checked_sub(MAX_EXPANDED_LINES).filter(|more| *more > 0) {
        out.text.push('\n');
        out.push(&format!("… {more} more line{}", if more == 1 { "" } else { "s" }), Token::Punctuation);
    }
    out
}

fn text_token(behind: &Lexer<'_>) -> Token {
    match behind.peek() {
        Some(Lex::Colon) => Token::Key,
        _ => Token::String,
    }
}

/// Whether a key reads as one without its quotes.
fn is_word(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Writes a payload on one line, and knows how long it has become. Its bounds are columns of the line.
struct Fold<'a> {
    raw: &'a str,
    out: Marked,
    columns: usize,
}

impl<'a> Fold<'a> {
    fn put(&mut self, piece: &str, token: Token) {
        self.columns += width(piece);
        self.out.push(piece, token);
    }

    fn mark(&self) -> (usize, usize, usize) {
        (self.out.text.len(), self.out.spans.len(), self.columns)
    }

    fn back(&mut self, mark: (usize, usize, usize)) {
        self.out.text.truncate(mark.0);
        self.out.spans.truncate(mark.1);
        self.columns = mark.2;
    }

    fn key(&mut self, token: &str, most: usize) -> bool {
        let inner = &token[1..token.len() - 1];
        if is_word(inner) {
            let fit = cut(inner, most);
            self.put(&fit, Token::Key);
            fit.len() == inner.len()
        } else {
            let (text, short) = readable(token, most);
            self.put(&text, Token::Key);
            !short
        }
    }

    /// Writes the value at `at` in full and says where it ends, or writes nothing when it passes the limit.
    fn whole(&mut self, at: usize, limit: usize) -> Option<usize> {
        let mark = self.mark();
        let mut lexer = Lexer { raw: self.raw, at };
        let mut depth = 0usize;
        while let Some((lex, token)) = lexer.next() {
            let left = limit.saturating_sub(self.columns);
            let fits = match lex {
                Lex::Text if lexer.peek() == Some(Lex::Colon) => self.key(token, left),
                Lex::Text => {
                    let (text, short) = readable(token, left);
                    self.put(&text, Token::String);
                    !short
                }
                // Without a look at all digits of a number of a million.
                _ if token.len() > left => false,
                Lex::Comma | Lex::Colon => {
                    self.put(if lex == Lex::Comma { ", " } else { ": " }, Token::Punctuation);
                    true
                }
                _ => {
                    self.put(token, lex.token());
                    true
                }
            };
            if !fits || self.columns > limit {
                break;
            }
            match lex {
                Lex::Open => depth += 1,
                Lex::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return Some(lexer.at);
            }
        }
        self.back(mark);
        None
    }

    /// Writes a value that does not fit the line.
    fn shortened(&mut self, at: usize, limit: usize) {
        let mut lexer = Lexer { raw: self.raw, at };
        match lexer.next() {
            Some((Lex::Open, open)) => {
                self.container(open, lexer.at, limit, 1);
            }
            Some((lex, token)) => self.scalar(lex, token, limit),
            None => {}
        }
    }

    fn scalar(&mut self, lex: Lex, token: &str, most: usize) {
        match lex {
            Lex::Text => self.put(&readable(token, most).0, Token::String),
            _ => self.put(&cut(token, most), lex.token()),
        }
    }

    /// Writes a container from behind its bracket, the first members and the count of the others;
    /// says where it ends.
    fn container(&mut self, open: &str, mut at: usize, limit: usize, depth: usize) -> usize {
        let close = if open == "{" { "}" } else { "]" };
        self.put(open, Token::Punctuation);
        for shown in 0.. {
            let mark = self.mark();
            if shown > 0 {
                self.put(", ", Token::Punctuation);
            }
            let Some(end) = self.member(at, limit.saturating_sub(TAIL), depth) else {
                self.back(mark);
                let mut lexer = Lexer { raw: self.raw, at };
                let left = lexer.members();
                let tail =
                    if shown > 0 { format!(", …{left} more{close}") } else { format!("…{left}{close}") };
                self.put(&tail, Token::Punctuation);
                return lexer.at;
            };
            let mut lexer = Lexer { raw: self.raw, at: end };
            let more = lexer.next().is_some_and(|(lex, _)| lex == Lex::Comma);
            at = lexer.at;
            if !more {
                break;
            }
        }
        self.put(close, Token::Punctuation);
        at
    }

    /// Writes one member of a container, shortened if need be, and says where it ends. None: there
    /// is no room for it, and what was written of it is to be taken back.
    fn member(&mut self, at: usize, limit: usize, depth: usize) -> Option<usize> {
        let mut lexer = Lexer { raw: self.raw, at };
        let mut value = lexer;
        let (mut lex, mut token) = lexer.next()?;
        if lexer.peek() == Some(Lex::Colon) {
            self.key(token, MAX_KEY);
            self.put(": ", Token::Punctuation);
            lexer.next();
            value = lexer;
            (lex, token) = lexer.next()?;
        }
        let left = limit.checked_sub(self.columns)?;
        if let Some(end) = self.whole(value.at, limit) {
            return Some(end);
        }
        if lex != Lex::Open {
            (left >= MIN_SCALAR).then(|| self.scalar(lex, token, left.min(MAX_SCALAR)))?;
            return Some(lexer.at);
        }
        let inside = lexer.at;
        let members = lexer.members();
        // Half of what is left, so that the members behind it are seen as well.
        let share = if lexer.peek() == Some(Lex::Close) { left } else { left / 2 };
        if depth < MAX_FOLDED_DEPTH && share > TAIL {
            return Some(self.container(token, inside, self.columns + share, depth + 1));
        }
        let piece = format!("{token}…{members}{}", if token == "{" { "}" } else { "]" });
        (width(&piece) <= left).then(|| self.put(&piece, Token::Punctuation))?;
        Some(lexer.at)
    }
}

#[cfg(test)]
mod tests;
