//! The service and the command `reverse`: a text backwards, by what a reader sees as characters.

use hubbub_shared::encoding::{escape, json, Payload};
use hubbub_shared::refusal::Refusal;
use unicode_segmentation::UnicodeSegmentation;

/// A text, reversed by grapheme cluster: accents and flags stay whole.
pub fn reversed(text: &str) -> String {
    text.graphemes(true).rev().collect()
}

pub(super) fn answer(payload: Payload<'_>) -> Result<String, Refusal> {
    let text = match payload {
        Payload::Text(text) => text.into(),
        Payload::Json(raw) => {
            json::string(raw).ok_or_else(|| Refusal::bad_argument("reverse takes a string as its data"))?
        }
    };
    let mut out = Vec::new();
    escape::push_json_string(&reversed(&text), &mut out);
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_together_stays_together() {
        assert_eq!(reversed("abc"), "cba");
        assert_eq!(reversed("e\u{301}a"), "ae\u{301}");
        assert_eq!(reversed("🇩🇪x👨‍👩‍👧"), "👨‍👩‍👧x🇩🇪");
        assert_eq!(answer(Payload::Json("\"a\\\"b\"")).as_deref(), Ok("\"b\\\"a\""));
        assert!(answer(Payload::Json("7")).is_err());
    }
}
