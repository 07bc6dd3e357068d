//! Names of organisations: how they are told from people, the legal form in its one spelling at the
//! end, and the case of the rest. Gets a cleaned name.

use super::casing::{has_case, is_spelled, shape, titled, Alphabet, Place, Shape};
use super::clean::trimmed;
use super::honorifics::{self, is_always};
use super::known::{ACRONYMS, ALSO_NAMES, ALSO_WORDS, ARTICLES, DOMAINS, ENDINGS, SHORT_WORDS, SMALL, WORDS};
use super::legal_forms::{Form, Leads, ATTACHED, FORMS, MOST_WORDS};

/// Legal forms that one name may end with: `Foo Corp., Ltd.`. More are part of the name.
const MOST_FORMS: usize = 3;

/// Keys that are words when they are not written with full stops or in capitals.
const ALSO_WORDS_IN_SMALL: &[&str] = &["spa", "scoop"];

/// Keys that are something else without full stops.
const NEED_STOPS: &[&str] = &["eu", "na"];

/// Whether a name is an organisation's: by its legal form, by a word that only organisations have,
/// by an ampersand, or because it can only be read letter by letter.
pub(super) fn is_organisation(name: &str) -> bool {
    if split_form(name, true).is_some() || before_place(name, true).is_some() {
        return true;
    }
    let words: Vec<&str> = name.split(' ').collect();
    let [first, rest @ ..] = words.as_slice() else { return false };
    let lower = |word: &str| Alphabet::Other.lower(word);
    if rest.is_empty() {
        return is_spelled_out(first) || starts_with_digit(first) || is_east_asian(first);
    }
    let is_word = |word: &str| WORDS.contains(&word) && !ALSO_NAMES.contains(&word);
    if let Some((last, _)) = name.split_once(',') {
        // Last, First, but University of California, Berkeley
        let words: Vec<&str> = last.split(' ').collect();
        return words.len() > 1 && words.iter().any(|word| is_word(&lower(word)));
    }
    // The BBC
    if let [last] = rest {
        let is_also_word = ALSO_WORDS.contains(&last.to_uppercase().as_str());
        if is_article(first) && is_spelled_out(last) && !is_also_word {
            return true;
        }
    }
    let key = |words: &[&str]| words.join(" ").to_lowercase().replace('.', "");
    let titled = (1..=honorifics::MOST_WORDS.min(rest.len())).any(|n| is_always(&key(&words[..n])));
    // Mr. & Mrs. Smith are no company; Lord & Taylor is one.
    let is_title = |n: usize| words.get(n).is_some_and(|word| is_always(&key(&[*word])));
    let is_couple = |n: usize| n > 0 && is_title(n - 1) && is_title(n + 1) && n + 2 < words.len();
    words.iter().enumerate().any(|(n, word)| {
        let known = lower(word);
        matches!(*word, "&" | "+") && !is_couple(n)
            || is_word(&known)
            || !titled && ALSO_NAMES.contains(&known.as_str())
            || is_joined_letters(word)
            || is_east_asian(word)
            || !titled && has_spelled_part(word)
    }) || !titled && starts_with_digit(first)
        || shape(first) != Shape::Lower
            && acronym(first).is_some_and(|a| *first == a && !ALSO_WORDS.contains(&a))
}

fn is_article(word: &str) -> bool {
    ARTICLES.contains(&word.to_lowercase().as_str())
}

/// Whether one word can only be read letter by letter: `KPMG`, `bbc`, `C&A`.
fn is_spelled_out(word: &str) -> bool {
    let spelled = is_spelled(word) && word.chars().nth(2).is_some() && shape(word) == Shape::Upper;
    spelled
        || acronym(word).is_some_and(|a| a == word || !ALSO_WORDS.contains(&a))
        || is_joined_letters(word)
        || has_spelled_part(word)
}

/// C&A
fn is_joined_letters(word: &str) -> bool {
    let is_letter = |part: &str| {
        let mut chars = part.chars();
        matches!((chars.next(), chars.next()), (Some(ch), None) if has_case(ch))
    };
    word.contains('&') && word.split('&').all(is_letter)
}

/// Air France-KLM
fn has_spelled_part(word: &str) -> bool {
    word.contains('-') && word.split('-').any(is_spelled_part)
}

fn is_spelled_part(part: &str) -> bool {
    part.len() > 2 && is_spelled(part) && part.chars().all(|ch| ch.is_ascii_uppercase())
}

/// 20th, but 50 Cent
fn starts_with_digit(word: &str) -> bool {
    word.starts_with(|ch: char| ch.is_ascii_digit()) && word.contains(char::is_alphabetic)
}

fn is_east_asian(word: &str) -> bool {
    ENDINGS.iter().any(|end| word.strip_suffix(end).is_some_and(|rest| !rest.is_empty()))
}

/// The name set anew where its capitals say nothing, with its legal forms behind it.
pub(super) fn normalized(name: &str) -> String {
    let (name, place) = before_place(name, false).unwrap_or((name, ""));
    let mut rest = name.to_owned();
    let mut forms: Vec<&str> = Vec::new();
    while forms.len() < MOST_FORMS {
        let found = ending_form(&rest, false).or_else(|| leading_form(&rest, forms.is_empty()));
        let Some((shorter, form)) = found else { break };
        forms.insert(0, form);
        rest = shorter;
    }
    // Company, The
    while let Some((name, article)) =
        rest.rsplit_once(", ").filter(|(_, last)| last.eq_ignore_ascii_case("the"))
    {
        rest = format!("{article} {}", trimmed(name));
    }
    let rest = trimmed(&rest);
    let all = set_anew(&if place.is_empty() { rest.to_owned() } else { format!("{rest} {place}") });
    let (mut out, place) = match all.rsplit_once(" (").filter(|_| !place.is_empty()) {
        Some((rest, place)) => (rest.to_owned(), format!(" ({place}")),
        None => (all, String::new()),
    };
    for form in forms {
        let attached = ATTACHED.iter().any(|(canonical, _)| *canonical == form);
        if !out.is_empty() && !attached {
            out.push(' ');
        }
        out.push_str(form);
    }
    out.push_str(&place);
    out
}

/// What stands before a place in brackets behind a legal form, and the place: `Foo Ltd (UK)`. Brackets
/// that are in a legal form themselves are none.
fn before_place(name: &str, strict: bool) -> Option<(&str, &str)> {
    let at = name.strip_suffix(')')?.rfind(" (")?;
    let (before, place) = (&name[..at], &name[at + 1..]);
    let is_place = is_name(place) && place.matches([')', '"']).count() == 1;
    (is_place && ending_form(name, strict).is_none() && split_form(before, strict).is_some())
        .then_some((before, place))
}

/// A name without one legal form.
fn split_form(name: &str, strict: bool) -> Option<(String, &'static str)> {
    ending_form(name, strict).or_else(|| leading_form(name, true))
}

/// A name without its last legal form, and that form's spelling. `strict` is for telling whether it
/// is an organisation at all: what may be a person's name does not count then.
fn ending_form(name: &str, strict: bool) -> Option<(String, &'static str)> {
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
    None
}

/// A name without the legal form before it, and that form's spelling. `alone` tells that it has had
/// no other.
fn leading_form(name: &str, alone: bool) -> Option<(String, &'static str)> {
    let words: Vec<&str> = name.split(' ').collect();
    for count in (1..=MOST_WORDS.min(words.len() - 1)).rev() {
        let (first, rest) = words.split_at(count);
        let found = lookup(&first.join(" "), |form, text, key| {
            let may_lead = match form.leads {
                Leads::Never => false,
                Leads::Always => true,
                Leads::BeforeOne => alone && rest.len() == 1,
                Leads::BeforeArticle => alone && rest.len() > 1 && is_article(rest[0]),
            };
            let is_written_so = shape(text) == Shape::Upper || text == form.canonical || !key.is_ascii();
            may_lead && is_written_so
        });
        let rest = rest.join(" ");
        if let Some(form) = found.filter(|_| is_name(trimmed(&rest))) {
            return Some((trimmed(&rest).to_owned(), form));
        }
    }
    None
}

/// Whether a text can be all of a name. An article alone is none: `The Limited`.
fn is_name(text: &str) -> bool {
    text.contains(char::is_alphanumeric) && !is_article(text)
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
    if key == "co" {
        // A family name too: nguyen co, Maria CO
        return says_nothing && written == Shape::Upper;
    }
    !text.contains(' ') && (says_nothing || stands_out)
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
    // (UK)
    let inner = word.trim_start_matches('(').trim_end_matches(')');
    if inner != word && is_name(inner) {
        let (before, behind) = word.split_once(inner).unwrap_or(("", ""));
        return format!("{before}{}{behind}", word_anew(inner, inside, of, written, alphabet));
    }
    let lower = alphabet.lower(word);
    if inside && SMALL.contains(&lower.as_str()) {
        return lower;
    }
    let letters = word.chars().filter(|ch| ch.is_alphabetic()).count();
    let known = |word: &str| acronym(word).filter(|a| written == Shape::Upper || !ALSO_WORDS.contains(a));
    if let Some(known) = known(word) {
        return known.to_owned();
    }
    // U.S., C&A
    let single = |part: &str| part.chars().nth(1).is_none();
    if word.contains('.') && word.split('.').all(single) || is_joined_letters(word) {
        return alphabet.shout(&lower);
    }
    let place = Place { first: of == 1 || !inside, after_particle: false };
    // L.L.Bean
    if let Some((letters, last)) = lower.rsplit_once('.').filter(|(_, last)| !DOMAINS.contains(last)) {
        if letters.split('.').all(single) {
            return format!("{}.{}", alphabet.shout(letters), titled(last, place, alphabet));
        }
    }
    let plain = !word.contains(['-', '\'', '.']);
    let is_short = |word: &str| SHORT_WORDS.contains(&word) || SMALL.contains(&word) || ordinal(word);
    if plain && !is_short(&lower) && is_spelled(word) {
        return alphabet.shout(&lower);
    }
    // ABC LTD, but not THE LTD; and one letter behind a digit: 3M
    let short = plain && letters <= 3 && word.chars().all(|ch| has_case(ch) || ch.is_ascii_digit());
    let behind_digit = word.starts_with(|ch: char| ch.is_ascii_digit()) && letters == 1;
    if written == Shape::Upper && short && letters > 1 && !is_short(&lower) || plain && behind_digit {
        return alphabet.shout(&lower);
    }
    // France-KLM
    let anew = titled(word, place, alphabet);
    let part = |(lower, anew): (&str, &str)| match known(lower) {
        Some(known) => known.to_owned(),
        None if is_spelled_part(&lower.to_uppercase()) && !is_short(lower) => alphabet.shout(lower),
        None => anew.to_owned(),
    };
    let parts: Vec<String> = lower.split('-').zip(anew.split('-')).map(part).collect();
    parts.join("-")
}

/// 21st
fn ordinal(word: &str) -> bool {
    let letters = word.trim_start_matches(|ch: char| ch.is_ascii_digit());
    letters.len() < word.len() && matches!(letters, "st" | "nd" | "rd" | "th")
}
