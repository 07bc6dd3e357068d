//! The service `palindrome`: whether a text is the same forwards and backwards. White space does not
//! count; everything else does, upper and lower case included.

use hubbub_shared::encoding::{json, Payload};
use hubbub_shared::refusal::Refusal;

/// Whether a text reads the same from its end, white space aside.
pub fn is_palindrome(text: &str) -> bool {
    let counted = || text.chars().filter(|c| !c.is_whitespace());
    counted().eq(counted().rev())
}

pub(super) fn answer(payload: Payload<'_>) -> Result<String, Refusal> {
    let text = match payload {
        Payload::Text(text) => text.into(),
        Payload::Json(raw) => {
            json::string(raw).ok_or_else(|| Refusal::bad_argument("palindrome takes a string as its data"))?
        }
    };
    Ok(is_palindrome(&text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_does_not_count_and_all_else_does() {
        for text in
            ["", " ", "a", "was it a cat i saw", "a\u{a0}b\u{2003}\tb\u{3000}a", "日本日", "é\u{2028}é"]
        {
            assert!(is_palindrome(text), "{text:?}");
        }
        // Case, marks, and accents that are characters of their own.
        for text in ["ab", "Was it a cat i saw", "was it a cat, i saw?", "a.b a", "e\u{301}e"] {
            assert!(!is_palindrome(text), "{text:?}");
        }
    }

    #[test]
    fn texts_and_json_strings_are_taken_and_nothing_else() {
        assert_eq!(answer(Payload::Json(r#""was it a cat i saw""#)).as_deref(), Ok("true"));
        assert_eq!(answer(Payload::Json(r#""\u0061b\n\u0061""#)).as_deref(), Ok("true"));
        assert_eq!(answer(Payload::Text("\"ab\"")).as_deref(), Ok("false"));
        for raw in ["null", "7", "[\"a\"]", "{\"a\":\"a\"}", "true"] {
            assert!(answer(Payload::Json(raw)).is_err_and(|r| r.message.contains("string")), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn a_text_and_its_mirror_image_are_one(text: String, gap in "[ \t\u{a0}\u{2009}]*") {
            let mirrored: String = text.chars().rev().collect();
            let both = format!("{text}{gap}{mirrored}");
            prop_assert!(is_palindrome(&both));
        }
    }
}
