//! Capitals: how a text uses them, and how one word of a name is set anew, whatever the script.

use super::particles::{AFTER_MAC, BETWEEN_HYPHENS, ELIDED, ELIDED_LOWER};

/// How a text uses capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// It has no letter that knows case.
    None,
    Lower,
    Upper,
    Mixed,
}

/// In which alphabet `i` and `I` belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    Turkish,
    Other,
}

impl Alphabet {
    /// Letters that only Turkish and its neighbours have decide; `ş` does too, unless Romanian
    /// letters stand beside it, which used to borrow it.
    pub(super) fn of(text: &str) -> Self {
        let has = |set: &[char]| text.contains(set);
        if has(&['ğ', 'Ğ', 'ı', 'İ']) || has(&['ş', 'Ş']) && !has(&['ă', 'Ă', 'ţ', 'Ţ', 'ț', 'Ț', 'â', 'Â'])
        {
            Alphabet::Turkish
        } else {
            Alphabet::Other
        }
    }

    pub(super) fn lower(self, text: &str) -> String {
        match self {
            Alphabet::Turkish => text.replace('İ', "i").replace('I', "ı").to_lowercase(),
            Alphabet::Other => text.to_lowercase(),
        }
    }

    fn upper(self, ch: char, out: &mut String) {
        match ch {
            'i' if self == Alphabet::Turkish => out.push('İ'),
            // A sharp s begins no word; where it does, two capitals would read as shouting.
            'ß' => out.push_str("Ss"),
            _ if !has_case(ch) => out.push(ch),
            _ => out.extend(ch.to_uppercase()),
        }
    }

    /// All in capitals.
    pub(super) fn shout(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        text.chars().for_each(|ch| self.upper(ch, &mut out));
        out
    }
}

/// Whether a letter knows upper and lower case. Georgian has capitals for shouting only.
pub(super) fn has_case(ch: char) -> bool {
    !matches!(ch, '\u{10a0}'..='\u{10ff}' | '\u{1c90}'..='\u{1cbf}')
        && (ch.is_lowercase() || ch.is_uppercase())
}

pub(super) fn shape(text: &str) -> Shape {
    let cased = || text.chars().filter(|ch| has_case(*ch));
    match (cased().any(char::is_lowercase), cased().any(char::is_uppercase)) {
        (false, false) => Shape::None,
        (true, false) => Shape::Lower,
        (false, true) => Shape::Upper,
        (true, true) => Shape::Mixed,
    }
}

/// Whether a word of several capitals can only be letters that are read one by one.
pub(super) fn is_spelled(word: &str) -> bool {
    let mut letters = word.chars().filter(|ch| ch.is_alphabetic());
    word.chars().filter(|ch| ch.is_alphabetic()).nth(1).is_some()
        && letters.all(|ch| ch.is_ascii_alphabetic() && !"aeiouyAEIOUY".contains(ch))
}

/// Where in a name a word stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub first: bool,
    pub after_particle: bool,
}

/// A word set anew: `o'neill` and `O'NEILL` → `O'Neill`. Depends on nothing but the letters.
pub(super) fn titled(word: &str, place: Place, alphabet: Alphabet) -> String {
    let word = alphabet.lower(word);
    let segments: Vec<&str> = word.split('-').collect();
    let mut out = String::with_capacity(word.len() + 4);
    for (n, segment) in segments.iter().enumerate() {
        if n > 0 {
            out.push('-');
        }
        let next = segments.get(n + 1);
        let stays_lower = match next {
            Some(next) if n == 0 => is_article(segment, next),
            Some(_) => BETWEEN_HYPHENS.contains(segment),
            None => false,
        };
        if stays_lower {
            out.push_str(segment);
        } else {
            part(segment, Place { first: place.first && n == 0, ..place }, alphabet, &mut out);
        }
    }
    out
}

/// The Arabic article before a hyphen: `al-`, and where its l has become the letter that follows.
fn is_article(segment: &str, next: &str) -> bool {
    match segment {
        "al" | "el" | "ul" | "аль" | "эль" => true,
        "as" | "ad" | "ar" | "an" | "at" | "az" | "es" | "ed" | "er" | "en" | "et" | "ez" => {
            next.starts_with(&segment[1..])
        }
        "ash" | "esh" => next.starts_with("sh"),
        _ => false,
    }
}

/// What stands between hyphens.
fn part(text: &str, place: Place, alphabet: Alphabet, out: &mut String) {
    let inner = text.trim_start_matches('\'');
    let lead = &text[..text.len() - inner.len()];
    out.push_str(lead);
    let cut = |at: usize| inner.get(at..).is_some_and(|rest| rest.chars().nth(1).is_some());
    match inner.split_once('\'') {
        // 't Hooft, 's-Gravesande
        None if !lead.is_empty() && matches!(inner, "t" | "s" | "n" | "k") => out.push_str(inner),
        None => capital(inner, alphabet, out),
        Some((before, after)) => {
            let one = before.chars().nth(1).is_none();
            if !cut(before.len() + 1) || !(one || ELIDED.contains(&before)) {
                capital(before, alphabet, out);
                out.push('\'');
                out.push_str(after);
                return;
            }
            let lower =
                ELIDED_LOWER.contains(&before) && !place.first || before == "l" && place.after_particle;
            if lower {
                out.push_str(before);
            } else {
                capital(before, alphabet, out);
            }
            out.push('\'');
            capital(after, alphabet, out);
        }
    }
}

/// A capital at the start, and where one is inside: `McDonald`, `MacArthur`, `IJsbrand`.
fn capital(word: &str, alphabet: Alphabet, out: &mut String) {
    let letters = word.trim_start_matches(|ch: char| !ch.is_alphanumeric());
    out.push_str(&word[..word.len() - letters.len()]);
    let is_vowel = |ch: char| "aeiou".contains(ch);
    if let Some(rest) = letters.strip_prefix("mac").filter(|rest| AFTER_MAC.contains(rest)) {
        out.push_str("Mac");
        return first_upper(rest, alphabet, out);
    }
    if let Some(rest) = letters.strip_prefix("mc").filter(|rest| rest.chars().nth(1).is_some()) {
        out.push_str("Mc");
        return first_upper(rest, alphabet, out);
    }
    if alphabet == Alphabet::Other
        && letters
            .strip_prefix("ij")
            .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_lowercase() && !is_vowel(c)))
    {
        out.push_str("IJ");
        return out.push_str(&letters[2..]);
    }
    first_upper(letters, alphabet, out);
}

fn first_upper(text: &str, alphabet: Alphabet, out: &mut String) {
    let mut chars = text.chars();
    if let Some(first) = chars.next() {
        alphabet.upper(first, out);
        out.push_str(chars.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_set_anew_by_its_letters_alone() {
        for (given, wanted) in [
            ("JEAN-LUC", "Jean-Luc"),
            ("o'neill", "O'Neill"),
            ("D'ARC", "d'Arc"),
            ("mcdonald", "McDonald"),
            ("MACARTHUR", "MacArthur"),
            ("MACHADO", "Machado"),
            ("AL-RASHID", "al-Rashid"),
            ("an-nasir", "an-Nasir"),
            ("an-sofie", "An-Sofie"),
            ("ijsbrand", "IJsbrand"),
            ("ijaz", "Ijaz"),
            ("STRAUẞ", "Strauß"),
            ("ßa", "Ssa"),
            ("ka'ahumanu", "Ka'ahumanu"),
            ("john's", "John's"),
            ("'t", "'t"),
            ("'s-gravesande", "'s-Gravesande"),
            ("ΟΔΥΣΣΕΥΣ", "Οδυσσευς"),
            ("ნინო", "ნინო"),
            ("(SMITH)", "(Smith)"),
            ("21ST", "21st"),
        ] {
            assert_eq!(titled(given, Place::default(), Alphabet::of(given)), wanted, "{given}");
        }
        assert_eq!(titled("ışık", Place::default(), Alphabet::Turkish), "Işık");
        assert_eq!(titled("IŞIK", Place::default(), Alphabet::of("IŞIK")), "Işık");
        assert_eq!(
            titled("d'angelo", Place { first: true, ..Place::default() }, Alphabet::Other),
            "D'Angelo"
        );
    }

    #[test]
    fn letters_without_vowels_are_spelled() {
        assert!(is_spelled("BMW") && is_spelled("kpmg") && is_spelled("JP"));
        assert!(!is_spelled("LI") && !is_spelled("X") && !is_spelled("ШЧ") && !is_spelled("&"));
    }
}
