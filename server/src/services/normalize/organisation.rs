//! Names of organisations: how they are told from people, the legal form in its one spelling at the
//! end, and the case of the rest. Gets a cleaned name.

use super::casing::{has_case, is_spelled, shape, titled, Alphabet, Place, Shape};
use super::clean::trimmed;
use super::honorifics::{before, When};
use super::known::{ACRONYMS, ALSO_WORDS, ENDINGS, SHORT_WORDS, SMALL, WORDS};
use super::legal_forms::{Form, ATTACHED, FORMS, MOST_WORDS};

/// Legal forms that one name may end with: `Foo Corp., Ltd.`. More are part of the name.
const MOST_FORMS: usize = 3;

/// Keys that are words when they are not written with full stops or in capitals.
const ALSO_WORDS_IN_SMALL: &[&str] = &["spa", "scoop"];

/// Keys that are something else without full stops.
const NEED_STOPS: &[&str] = &["eu", "na"];

/// Whether a name is an organisation's: by its legal form, by a word that only organisations have,
/// by an ampersand, or because it can only be read letter by letter.
pub(super) fn is_organisation(name: &str) -> bool {
    if split_form(name, true).is_some() {
        return true;
    }
    let words: Vec<&str> = name.split(' ').collect();
    let [first, rest @ ..] = words.as_slice() else { return false };
    if rest.is_empty() {
        let spelled = is_spelled(first) && first.chars().nth(2).is_some() && shape(first) == Shape::Upper;
        return spelled
            || acronym(first).is_some_and(|a| a == *first || !ALSO_WORDS.contains(&a))
            || is_east_asian(first);
    }
    if name.contains(',') {
        return false; // Last, First
    }
    let lower = |word: &&str| Alphabet::Other.lower(word);
    let titled = before(&lower(first).replace('.', "")).any(|when| when == When::Always);
    !titled && words.iter().any(|word| matches!(*word, "&" | "+") || WORDS.contains(&lower(word).as_str()))
        || words.iter().any(|word| is_east_asian(word))
        || shape(first) != Shape::Lower
            && acronym(first).is_some_and(|a| *first == a && !ALSO_WORDS.contains(&a))
}

fn is_east_asian(word: &str) -> bool {
    ENDINGS.iter().any(|end| word.strip_suffix(end).is_some_and(|rest| !rest.is_empty()))
}

/// The name set anew where its capitals say nothing, with its legal forms behind it.
pub(super) fn normalized(name: &str) -> String {
    let mut rest = name.to_owned();
    let mut forms: Vec<&str> = Vec::new();
    while let Some((shorter, form)) = split_form(&rest, false).filter(|_| forms.len() < MOST_FORMS) {
        forms.insert(0, form);
        rest = shorter;
    }
    // Company, The
    while let Some((name, article)) =
        rest.rsplit_once(", ").filter(|(_, last)| last.eq_ignore_ascii_case("the"))
    {
        rest = format!("{article} {}", trimmed(name));
    }
    let mut out = set_anew(trimmed(&rest));
    for form in forms {
        let attached = ATTACHED.iter().any(|(canonical, _)| *canonical == form);
        if !out.is_empty() && !attached {
            out.push(' ');
        }
        out.push_str(form);
    }
    out
}

/// A name without its last legal form, and that form's spelling. `strict` is for telling whether it
/// is an organisation at all: what may be a person's name does not count then.
fn split_form(name: &str, strict: bool) -> Option<(String, &'static str)> {
    for (canonical, keys) in ATTACHED {
        let cut = |key: &&str| name.strip_suffix(key).or_else(|| name.strip_prefix(key));
        let rest = keys.iter().find_map(cut).map(trimmed);
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            return Some((rest.to_owned(), canonical));
        }
    }
    let words: Vec<&str> = name.split(' ').collect();
    for count in (1..=MOST_WORDS.min(words.len() - 1)).rev() {
        let (rest, last) = words.split_at(words.len() - count);
        let rest = rest.join(" ");
        let shorter = trimmed(&rest);
        let found = lookup(&last.join(" "), |form, text, key| {
            !form.ambiguous || may_be(form, text, key, name, &rest, strict)
        });
        if let Some(form) = found.filter(|_| is_name(shorter)) {
            return Some((shorter.to_owned(), form));
        }
    }
    for count in (1..=MOST_WORDS.min(words.len() - 1)).rev() {
        let (first, rest) = words.split_at(count);
        let found = lookup(&first.join(" "), |form, text, key| {
            form.leads && (shape(text) == Shape::Upper || !key.is_ascii())
        });
        let rest = rest.join(" ");
        if let Some(form) = found.filter(|_| is_name(trimmed(&rest))) {
            return Some((trimmed(&rest).to_owned(), form));
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// The spelling of the legal form that a text is, if it passes.
fn lookup(text: &str, passes: impl Fn(&Form, &str, &str) -> bool) -> Option<&'static str> {
    let key = key(text);
    let form = FORMS.iter().find(|form| form.keys.contains(&key.as_str()) && passes(form, text, &key))?;
    // Norway and Estonia write AS, the Czech Republic and Slovakia a.s.
    Some(if matches!(key.as_str(), "as" | "a s") && text.contains('.') { "a.s." } else { form.canonical })
}

fn key(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // İ is for the Turkish forms only, which are written with a plain i in the table.
    let lower = text.replace('İ', "i").to_lowercase();
    for word in lower.replace('&', " & ").split_whitespace() {
        let word: String = word.chars().filter(|ch| !matches!(ch, '.' | ',' | '(' | ')' | '"')).collect();
        if !word.is_empty() {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(match word.as_str() {
                "and" | "und" | "+" | "ve" => "&",
                word => word,
            });
        }
    }
    out
}

/// Whether what may be a word or somebody's initials is a legal form here.
fn may_be(form: &Form, text: &str, key: &str, name: &str, rest: &str, strict: bool) -> bool {
    let (has_stop, written) = (text.contains('.'), shape(text));
    if NEED_STOPS.contains(&key) && !has_stop && !key.contains(' ') {
        return false;
    }
    if ALSO_WORDS_IN_SMALL.contains(&key) && !has_stop && written != Shape::Upper {
        return false;
    }
    // Behind a name, PT is more often a therapist's than a company's.
    if strict && key == "pt" {
        return false;
    }
    if text == form.canonical || key.chars().count() > 5 {
        return true;
    }
    if !strict {
        return has_stop || written != Shape::Mixed || key.chars().count() == 2;
    }
    if has_stop {
        // Smith, A.B. has initials; Foo, a.s. has a legal form.
        let initials = rest.ends_with(',') && !rest.contains(' ') && written == Shape::Upper;
        let apart = text.contains(' ');
        return !initials && (!apart || written != Shape::Upper && shape(name) == Shape::Mixed);
    }
    let (name, rest) = (shape(name), shape(rest));
    let says_nothing = name == written && matches!(written, Shape::Lower | Shape::Upper);
    let stands_out = written == Shape::Upper && rest == Shape::Mixed;
    key != "co" && !text.contains(' ') && (says_nothing || stands_out)
}

/// The letters of an acronym as they are written.
fn acronym(word: &str) -> Option<&'static str> {
    let upper = word.to_uppercase();
    ACRONYMS.iter().find(|known| **known == upper).copied()
}

/// Capitals where they say nothing: all are, or none is.
fn set_anew(name: &str) -> String {
    let alphabet = Alphabet::of(name);
    let written = shape(name);
    let words: Vec<&str> = name.split(' ').collect();
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    for (n, word) in words.iter().enumerate() {
        let inside = n > 0 && n + 1 < words.len();
        out.push(match written {
            Shape::Lower | Shape::Upper => word_anew(word, inside, words.len(), written, alphabet),
            Shape::None | Shape::Mixed => (*word).to_owned(),
        });
    }
    out.join(" ")
}

fn word_anew(word: &str, inside: bool, of: usize, written: Shape, alphabet: Alphabet) -> String {
    let lower = alphabet.lower(word);
    if inside && SMALL.contains(&lower.as_str()) {
        return lower;
    }
    let letters = word.chars().filter(|ch| ch.is_alphabetic()).count();
    let known = acronym(word).filter(|known| written == Shape::Upper || !ALSO_WORDS.contains(known));
    if let Some(known) = known {
        return known.to_owned();
    }
    // U.S.
    let single = |part: &str| part.chars().nth(1).is_none();
    if word.contains('.') && word.split('.').all(single) {
        return alphabet.shout(&lower);
    }
    let plain = !word.chars().any(|ch| matches!(ch, '-' | '\'' | '.'));
    let is_short = SHORT_WORDS.contains(&lower.as_str()) || ordinal(&lower);
    if plain && !is_short && is_spelled(word) {
        return alphabet.shout(&lower);
    }
    // ABC LTD, but not THE LTD; and one letter behind a digit: 3M
    let short = plain && letters <= 3 && word.chars().all(|ch| has_case(ch) || ch.is_ascii_digit());
    let behind_digit = word.starts_with(|ch: char| ch.is_ascii_digit()) && letters == 1;
    if written == Shape::Upper && short && letters > 1 && !is_short || plain && behind_digit {
        return alphabet.shout(&lower);
    }
    titled(word, Place { first: of == 1 || !inside, after_particle: false }, alphabet)
}

/// 21st
fn ordinal(word: &str) -> bool {
    let letters = word.trim_start_matches(|ch: char| ch.is_ascii_digit());
    letters.len() < word.len() && matches!(letters, "st" | "nd" | "rd" | "th")
}
