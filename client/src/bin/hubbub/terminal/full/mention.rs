//! Whether a text names somebody. Pure.

use hubbub_shared::encoding::json as wire;

/// Bytes of a text that are looked through. A guess: whoever means somebody says so before that.
const MAX_BYTES: usize = 32 << 10;

/// Whether a payload names one of these, as a word of its own, whatever the case. Only texts do: in
/// other JSON a name is a value.
pub fn names(raw: &str, words: &[String]) -> bool {
    let end = (0..=MAX_BYTES.min(raw.len())).rev().find(|&at| raw.is_char_boundary(at)).unwrap_or(0);
    // Of a longer text the beginning is looked through, without what may be half of an escape.
    let cut;
    let raw = match end < raw.len() {
        true => {
            cut = format!("{}\"", raw[..end].trim_end_matches('\\'));
            &cut
        }
        false => raw,
    };
    if !raw.starts_with('"') || !words.iter().any(|word| find(raw, word, 0).is_some()) {
        return false;
    }
    // What stands before a word in JSON may be half of an escape.
    let Some(text) = wire::string(raw) else { return false };
    words.iter().any(|word| has_word(&text, word))
}

/// Whether a word stands in a text on its own.
fn has_word(text: &str, word: &str) -> bool {
    let mut from = 0;
    while let Some(at) = find(text, word, from) {
        let end = at + word.len();
        let joins = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        // A dot ends a sentence as often as it is part of a name.
        let before = text[..at].chars().next_back();
        let after = text[end..].chars().next();
        if !before.is_some_and(|c| joins(c) || c == '.') && !after.is_some_and(joins) {
            return true;
        }
        from = at + text[at..].chars().next().map_or(1, char::len_utf8);
    }
    false
}

/// Where a part stands in a text from a place on, without regard to the case of ASCII letters.
pub fn find(text: &str, part: &str, from: usize) -> Option<usize> {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    if part.is_empty() || text.len() < part.len() || from > text.len() - part.len() {
        return None;
    }
    let (small, large) = (part[0].to_ascii_lowercase(), part[0].to_ascii_uppercase());
    let starts = memchr::memchr2_iter(small, large, &text[from..=text.len() - part.len()]);
    starts.map(|at| from + at).find(|&at| text[at..at + part.len()].eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_counts_as_a_word_of_a_text() {
        let bob = |raw: &str| names(raw, &["bob".to_owned(), "deploy failed".to_owned()]);
        for raw in
            [r#""bob: hi""#, r#""hi Bob""#, r#""(BOB)""#, r#""thanks,\nbob.""#, r#""a Deploy failed!""#]
        {
            assert!(bob(raw), "{raw}");
        }
        for raw in
            [r#""bobby""#, r#""kebob""#, r#""bob-2""#, r#""b.bob""#, r#"{"user":"bob"}"#, "17", r#""""#]
        {
            assert!(!bob(raw), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_there(text in any::<String>(), part in "[a-zA-Zü日]{0,3}", from in 0usize..40) {
            if let Some(at) = find(&text, &part, from) {
                prop_assert!(at >= from && text[at..].to_ascii_lowercase().starts_with(&part.to_ascii_lowercase()));
            }
            let raw = serde_json::to_string(&text).expect("a string");
            names(&raw, &[part]);
        }
    }
}
