//! Names of people: honorifics and degrees off, `Last, First` turned round, generational suffixes
//! and initials in their one spelling, case. Gets a cleaned name.

use super::casing::{has_case, is_spelled, shape, titled, Alphabet, Place, Shape};
use super::clean::trimmed;
use super::honorifics::{self, When, ATTACHED};
use super::particles::{AFTER_PARTICLE, BEFORE_PARTICLE, GIVEN_NAMES, JOINS, PARTICLES, SHORTENED};

/// Upper-case letters that a word may have inside: `O'MacDonald`, `DeVito`, `Jean-Luc-Marie`.
const MOST_INNER_CAPITALS: usize = 3;

/// The name in its one form. Never empty for a name that is not.
pub(super) fn normalized(name: &str) -> String {
    // A hyphen joins, whatever stands around it; an ampersand stands between.
    let name = name.replace(" -", "-").replace("- ", "-").replace('&', " & ");
    let written = shape(&name);
    let mut parts: Vec<Vec<String>> = name.split(',').map(words).filter(|words| !words.is_empty()).collect();
    if parts.is_empty() {
        return name;
    }
    let mut generation = None;
    let (of, mut n) = (parts.len(), 0);
    let alone = parts[0].len() == 1;
    // What stands between commas and is all titles, degrees or a generation.
    parts.retain(|part| {
        let at = n;
        n += 1;
        of == 1 || !is_aside(part, at, alone, written, &mut generation)
    });
    if parts.is_empty() {
        parts = name.split(',').map(words).filter(|words| !words.is_empty()).collect();
    }
    for part in &mut parts {
        strip(part, written, &mut generation);
    }
    if parts.len() > 1 && parts.iter().flatten().all(|word| is_east_asian(word)) {
        return parts.concat().concat();
    }
    let last = parts.remove(0);
    let mut words = parts.concat();
    words.extend(last);
    strip_attached(&mut words);
    lengthen(&mut words);
    let mut words = cased(&initialled(words));
    // A full stop ends a sentence, not a name, unless it shortens something.
    if let Some(last) =
        words.last_mut().filter(|last| last.chars().filter(|ch| ch.is_alphabetic()).count() > 1)
    {
        let bare = last.trim_end_matches('.');
        if !bare.contains('.') {
            *last = bare.to_owned();
        }
    }
    let mut out = words.join(" ");
    if let Some(generation) = generation {
        out.push(' ');
        out.push_str(generation);
    }
    out
}

/// The words of a part, with what is joined by a full stop taken apart: `Mr.John`, `J.R.R.Tolkien`.
fn words(part: &str) -> Vec<String> {
    let mut out = Vec::new();
    for mut word in trimmed(part).split(' ').filter(|word| !word.is_empty()) {
        while let Some(at) = title_end(word) {
            out.push(word[..at].to_owned());
            word = &word[at..];
        }
        match initials(word) {
            Some((letters, rest)) => {
                out.extend(letters);
                out.extend((!rest.is_empty()).then(|| rest.to_owned()));
            }
            None => out.push(word.to_owned()),
        }
    }
    out
}

fn key(words: &[String]) -> String {
    let joined = words.join(" ").replace('.', "");
    let lower = joined.replace('İ', "i").to_lowercase();
    lower.trim_matches(|ch| matches!(ch, ';' | ' ')).to_owned()
}

/// Where a title ends to which the name was joined: 3 in `Mr.John`.
fn title_end(word: &str) -> Option<usize> {
    let at = word.find('.')? + 1;
    let (title, rest) = word.split_at(at);
    let is = |text: &str| honorifics::before(&key(&[text.to_owned()])).next().is_some();
    let is_one = is(word) || honorifics::is_after(&key(&[word.to_owned()]), true);
    let long = |text: &str| text.chars().filter(|ch| ch.is_alphabetic()).nth(1).is_some();
    (!is_one && is(title) && long(title) && long(rest)).then_some(at)
}

/// The initials that a word is made of or begins with, each with its full stop.
fn initials(word: &str) -> Option<(Vec<String>, &str)> {
    let mut letters: Vec<String> = Vec::new();
    let mut rest = word;
    loop {
        let hyphen = rest.strip_prefix('-').filter(|_| !letters.is_empty());
        let from = hyphen.unwrap_or(rest);
        let Some(letter) = from.chars().next().filter(|ch| has_case(*ch)) else { break };
        let behind = &from[letter.len_utf8()..];
        let after = behind.strip_prefix('.');
        let ends = behind.is_empty() && !letters.is_empty();
        if after.is_none() && !ends {
            break;
        }
        match letters.last_mut().filter(|_| hyphen.is_some()) {
            Some(last) => *last = format!("{last}-{letter}."),
            None => letters.push(format!("{letter}.")),
        }
        rest = after.unwrap_or("");
    }
    // What else is behind them is a word, or the dots are something else.
    let is_word = rest.is_empty() || rest.chars().filter(|ch| ch.is_alphabetic()).nth(1).is_some();
    (!letters.is_empty() && is_word && !rest.starts_with(['-', '\''])).then_some((letters, rest))
}

/// A part between commas that is no part of the name: `Smith, John, Ph.D.`, `King, Martin, Jr.`
/// `alone` tells that the first part is one word.
fn is_aside(
    part: &[String],
    at: usize,
    alone: bool,
    written: Shape,
    generation: &mut Option<&'static str>,
) -> bool {
    let text = part.join(" ");
    let key = key(part);
    let sure = text.contains('.') || shape(&text) == Shape::Upper || at > 1;
    if at > 0 {
        if let Some(found) = honorifics::generation(&key).filter(|found| !found.capitals || sure) {
            generation.get_or_insert(found.canonical);
            return true;
        }
        // Some degree or order that no table has: Jane Doe, RN, XYZ
        let letters = text.chars().count();
        let short = part.len() == 1 && (2..=6).contains(&letters);
        if at > 1 && !alone && short && written == Shape::Mixed && shape(&text) == Shape::Upper {
            return true;
        }
        // Smith, M.D. has two initials; John Smith, M.D. is a doctor.
        let initials = at == 1 && alone && key.split(' ').all(|word| word.chars().nth(1).is_none());
        if honorifics::is_after(&key, sure) && !initials {
            return true;
        }
    }
    let title = |word: &String| {
        honorifics::before(&self::key(std::slice::from_ref(word))).any(|when| match when {
            When::Always => true,
            When::Dotted | When::Capitals | When::Degree | When::BeforeTwo => word.contains('.'),
            When::AfterTitle | When::LowerAfterTitle => word.contains('.') && part.len() > 1,
        })
    };
    let degree = |word: &String| honorifics::is_after(&self::key(std::slice::from_ref(word)), sure);
    part.iter().all(title) || at > 0 && part.iter().all(degree)
}

/// Takes titles off the front of a part and degrees off its end, as long as a word remains.
fn strip(words: &mut Vec<String>, written: Shape, generation: &mut Option<&'static str>) {
    let mut after_title = false;
    'front: while words.len() > 1 {
        for count in (1..=honorifics::MOST_WORDS.min(words.len() - 1)).rev() {
            if is_title(&words[..count], &words[count..], written, after_title) {
                words.drain(..count);
                after_title = true;
                continue 'front;
            }
        }
        break;
    }
    'end: while words.len() > 1 {
        for count in (1..=honorifics::MOST_WORDS.min(words.len() - 1)).rev() {
            let at = words.len() - count;
            let text = words[at..].join(" ");
            let key = key(&words[at..]);
            let clear = shape(&text) == Shape::Upper && written == Shape::Mixed;
            let stands_out = clear || text.contains('.') && key.chars().nth(1).is_some();
            if let Some(found) =
                honorifics::generation(&key).filter(|f| at >= f.after && (!f.capitals || stands_out))
            {
                generation.get_or_insert(found.canonical);
                words.truncate(at);
                continue 'end;
            }
            // One pair of initials is more often a name's than a degree's: Smith M.D. has two words.
            let alone = count == 1 && key.chars().count() > 1;
            let inner = written == Shape::Mixed && text.chars().skip(1).any(char::is_uppercase);
            let sure = clear || alone && (inner || text.contains('.'));
            if honorifics::is_after(&key, sure) {
                words.truncate(at);
                continue 'end;
            }
        }
        break;
    }
}

fn is_title(words: &[String], rest: &[String], written: Shape, after_title: bool) -> bool {
    let text = words.join(" ");
    let key = key(words);
    let (has_stop, shape) = (text.contains('.'), shape(&text));
    let is_letter = |word: &String| word.chars().filter(|ch| ch.is_alphabetic()).nth(1).is_none();
    // Mr. and Mrs. Smith, but Lord and Taylor
    let is_join = |key: &str| key == "&" || JOINS.contains(&key);
    let is_titled = |rest: &[String]| rest.len() > 1 && honorifics::is_always(&self::key(&rest[..1]));
    if is_join(&key) {
        return after_title && is_titled(rest);
    }
    let next = rest.first().map(|next| self::key(std::slice::from_ref(next))).unwrap_or_default();
    if is_join(&next) && next != "y" && !is_titled(&rest[1..]) {
        return false;
    }
    // M. Dupont is Monsieur Dupont; M. R. James has two initials.
    if matches!(key.as_str(), "m" | "mm") {
        return has_stop && shape != Shape::Lower && !rest.iter().any(is_letter) && !after_title;
    }
    let mut found = honorifics::before(&key);
    found.any(|when| match when {
        When::Always => true,
        When::Dotted => {
            has_stop
                && !(is_letter(&words[0])
                    && has_case(words[0].chars().next().unwrap_or('.'))
                    && key.is_ascii())
        }
        When::BeforeTwo => has_stop || rest.len() > 1,
        When::Capitals => has_stop || shape == Shape::Upper && written == Shape::Mixed,
        When::Degree => has_stop || shape == Shape::Mixed && text.chars().skip(1).any(char::is_uppercase),
        When::AfterTitle => {
            after_title
                && (shape != Shape::Mixed && written != shape
                    || shape == Shape::Lower
                    || has_stop && shape == written)
        }
        When::LowerAfterTitle => after_title && shape == Shape::Lower,
    })
}

/// Takes 先生, 様, 씨 and their like off the end of a name, as long as enough remains.
fn strip_attached(words: &mut Vec<String>) {
    'end: loop {
        let many = words.len() > 1;
        let Some(last) = words.last_mut().filter(|last| is_east_asian(last)) else { return };
        for end in ATTACHED {
            if many && last == end {
                words.pop();
                continue 'end;
            }
            if let Some(rest) = last.strip_suffix(end).filter(|rest| many || rest.chars().nth(1).is_some()) {
                *last = rest.to_owned();
                continue 'end;
            }
        }
        return;
    }
}

fn is_east_asian(word: &str) -> bool {
    let is = |ch: char| {
        matches!(ch, '\u{3005}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}')
    };
    !word.is_empty() && word.chars().all(is)
}

/// Shortened particles at their full length, inside a name of both cases: `Otto v. Bismarck`.
fn lengthen(words: &mut [String]) {
    let is_small = |word: &str| initials(word).is_some() && shape(word) == Shape::Lower;
    // With another small initial it is one too: `j. v. Smith`.
    if shape(&words.join(" ")) != Shape::Mixed || words.iter().filter(|word| is_small(word)).count() != 1 {
        return;
    }
    let inside = 1..words.len().saturating_sub(1).max(1);
    for word in &mut words[inside] {
        if let Some((_, long)) = SHORTENED.iter().find(|(short, _)| short == word) {
            *word = (*long).to_owned();
        }
    }
}

/// Single letters with their full stops: `John F Kennedy`. The last word keeps its own way, and so
/// does a name with digits, which is none of the usual kind: `X Æ A-12`.
fn initialled(words: Vec<String>) -> Vec<String> {
    let is_single = |word: &str| {
        let mut chars = word.chars();
        matches!((chars.next(), chars.next()), (Some(ch), None) if has_case(ch))
    };
    let is_initial = |word: &str| is_single(word) || initials(word).is_some_and(|(_, rest)| rest.is_empty());
    let mixed = shape(&words.join(" ")) == Shape::Mixed;
    let count = words.len();
    if words.iter().any(|word| word.contains(|ch: char| ch.is_ascii_digit())) {
        return words;
    }
    let mut out: Vec<String> = Vec::with_capacity(count);
    for (n, word) in words.into_iter().enumerate() {
        let before = out.last().is_some_and(|last| is_initial(last));
        let lower = Alphabet::Other.lower(&word);
        // Ortega y Gasset
        let joins = n > 0
            && n + 1 < count
            && (lower == "y"
                || mixed && shape(&word) == Shape::Lower && matches!(lower.as_str(), "e" | "i" | "и" | "й"));
        let last = n + 1 == count;
        if count > 1 && is_single(&word) && !joins && (!last || before) {
            out.push(format!("{word}."));
        } else {
            out.push(word);
        }
    }
    out
}

/// Case: set anew where the capitals say nothing, else only the words that cannot be meant so.
fn cased(words: &[String]) -> Vec<String> {
    let whole = words.join(" ");
    let alphabet = Alphabet::of(&whole);
    let is_word = |word: &&String| initials(word).is_none() && word.chars().nth(1).is_some();
    let written = shape(&words.iter().filter(is_word).map(String::as_str).collect::<Vec<_>>().join(" "));
    let lower: Vec<String> = words.iter().map(|word| alphabet.lower(word)).collect();
    let mut out = Vec::with_capacity(words.len());
    for (n, word) in words.iter().enumerate() {
        let place = Place { first: n == 0, after_particle: n > 0 && is_particle_word(&lower[n - 1]) };
        let single = word.chars().nth(1).is_none();
        let joins = single && n > 0 && n + 1 < words.len() && shape(word) == Shape::Lower;
        if initials(word).is_some_and(|(_, rest)| rest.is_empty()) || single && !joins {
            out.push(if lower[n] == "y" && n > 0 && n + 1 < words.len() {
                lower[n].clone()
            } else {
                alphabet.shout(&lower[n])
            });
            continue;
        }
        let anew = matches!(written, Shape::Lower | Shape::Upper);
        let here = shape(word);
        out.push(if is_particle(&lower, n, anew || here == Shape::Upper) && (anew || here != Shape::Mixed) {
            lower[n].clone()
        } else if joins {
            word.clone()
        } else if anew || here == Shape::Lower {
            titled(word, place, alphabet)
        } else if here == Shape::Upper {
            if word.starts_with('(') || is_spelled(word) && word.chars().count() < 4 {
                word.clone()
            } else {
                titled(word, place, alphabet)
            }
        } else if here == Shape::None || is_plausible(word) {
            word.clone()
        } else {
            titled(word, place, alphabet)
        });
    }
    out
}

fn is_particle_word(lower: &str) -> bool {
    PARTICLES.contains(&lower) || AFTER_PARTICLE.contains(&lower) || BEFORE_PARTICLE.contains(&lower)
}

/// Whether the word at a place is one of the small words that stay in lower case there.
fn is_particle(lower: &[String], n: usize, anew: bool) -> bool {
    let word = lower[n].as_str();
    let leads = |next: &str| PARTICLES.contains(&next) && !JOINS.contains(&next) || next == "la";
    let next_is = lower.get(n + 1).is_some_and(|next| leads(next));
    if n + 1 == lower.len() {
        return false;
    }
    if AFTER_PARTICLE.contains(&word) {
        return n > 0 && PARTICLES.contains(&lower[n - 1].as_str());
    }
    if BEFORE_PARTICLE.contains(&word) {
        return n > 0 && next_is;
    }
    PARTICLES.contains(&word) && (n > 0 || !anew || next_is || !GIVEN_NAMES.contains(&word))
}

/// Whether capitals and small letters in one word can be meant so: `McDonald`, `DeVito`, `d'Arc`,
/// `deGrasse`, `Jong-un`, but not `sMITH` and not `JoHnNy`.
fn is_plausible(word: &str) -> bool {
    let letters: Vec<char> = word.chars().filter(|ch| has_case(*ch)).collect();
    let inner = letters.iter().skip(1).filter(|ch| ch.is_uppercase()).count();
    let ends_upper = letters.last().is_some_and(|ch| ch.is_uppercase());
    if inner > MOST_INNER_CAPITALS || ends_upper {
        return false;
    }
    if letters.first().is_some_and(|ch| ch.is_uppercase()) {
        // A capital inside begins something: never two of them in a row, but for `IJ`.
        return !letters.windows(2).skip(1).any(|pair| pair.iter().all(|ch| ch.is_uppercase()));
    }
    let lead: String = word.chars().take_while(|ch| !ch.is_uppercase()).collect();
    let lead = lead.trim_matches(|ch| matches!(ch, '-' | '\''));
    lead.is_empty()
        || is_particle_word(lead)
        || matches!(lead, "d" | "l" | "t" | "s" | "as" | "ad" | "ar" | "at" | "az" | "ash" | "ibn" | "аль")
}
