//! The service `normalize`: the name of a person or an organisation in one canonical form. Pure: the
//! tables of honorifics, legal forms and particles are constants, and nothing is looked up elsewhere.
//! `super` calls it; docs/normalize.md tells the rules.

#[cfg(test)]
mod cases;
mod casing;
mod clean;
mod honorifics;
mod known;
mod legal_forms;
mod organisation;
mod particles;
mod person;
#[cfg(test)]
mod properties;

use hubbub_shared::encoding::{escape, json, Payload};
use hubbub_shared::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Characters of a name, as it is given and as it is answered. A guess: the longest names of people
/// and companies that are on record have some 750.
const MAX_NAME_CHARS: usize = 1_000;

/// How often a name is gone through until nothing changes any more. What one round uncovers, the
/// next one sees (a title behind a title); no name that people have needs more than three.
const MAX_ROUNDS: usize = 32;

/// Whose name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Person,
    Organisation,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Answered<'a> {
    name: &'a RawValue,
    normalized: &'a str,
    kind: Kind,
}

pub(super) fn answer(payload: Payload<'_>) -> Result<String, Refusal> {
    let wanted = || {
        Refusal::bad_argument(
            r#"normalize takes a name: a text, or {"name":T,"kind":"person" or "organisation"}"#,
        )
    };
    let Some(object) = super::own::object(payload) else {
        let text = match payload {
            Payload::Text(text) => text.into(),
            Payload::Json(raw) => json::string(raw).ok_or_else(wanted)?,
        };
        let (name, _) = normalized(&text, None)?;
        let mut out = Vec::new();
        escape::push_json_string(&name, &mut out);
        return Ok(String::from_utf8_lossy(&out).into_owned());
    };
    let asked: Asked<'_> = serde_json::from_str(&object).map_err(|_| wanted())?;
    let name = json::string(asked.name.get()).ok_or_else(wanted)?;
    let kind = match asked.kind.map(RawValue::get) {
        None => None,
        Some(r#""person""#) => Some(Kind::Person),
        Some(r#""organisation""#) => Some(Kind::Organisation),
        Some(_) => {
            let message =
                r#"the kind of a name is "person" or "organisation"; leave it out to have it found"#;
            return Err(Refusal::bad_argument(message));
        }
    };
    let (normalized, kind) = normalized(&name, kind)?;
    serde_json::to_string(&Answered { name: asked.name, normalized: &normalized, kind }).map_err(|_| wanted())
}

/// The canonical form of a name, and whose name it is where that was not given.
pub(super) fn normalized(name: &str, kind: Option<Kind>) -> Result<(String, Kind), Refusal> {
    let is_long = |text: &str| text.chars().nth(MAX_NAME_CHARS).is_some();
    let too_large =
        || Refusal::new(Code::TooLarge, format!("a name has {MAX_NAME_CHARS} characters at the most"));
    if is_long(name) {
        return Err(too_large());
    }
    let found = canonical(name, kind);
    let blank = || Refusal::bad_argument("normalize takes a name; this one has nothing that can be seen");
    let (name, kind) = found.ok_or_else(blank)?;
    // Some characters stand for many, and what is answered can be asked again.
    if is_long(&name) {
        return Err(too_large());
    }
    Ok((name, kind))
}

/// Goes through a name until nothing changes: so the canonical form of a canonical form is itself.
fn canonical(name: &str, kind: Option<Kind>) -> Option<(String, Kind)> {
    let mut now = round(name, kind)?;
    for _ in 1..MAX_ROUNDS {
        match round(&now.0, kind) {
            Some(next) if next != now => now = next,
            _ => break,
        }
    }
    Some(now)
}

fn round(name: &str, kind: Option<Kind>) -> Option<(String, Kind)> {
    let name = clean::cleaned(name);
    if name.is_empty() {
        return None;
    }
    let kind = kind.unwrap_or_else(|| {
        if organisation::is_organisation(&name) {
            Kind::Organisation
        } else {
            Kind::Person
        }
    });
    let name = match kind {
        Kind::Person => person::normalized(&name),
        Kind::Organisation => organisation::normalized(&name),
    };
    Some((name, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(raw: &str) -> Result<String, Code> {
        answer(Payload::Json(raw)).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_text_is_answered_with_its_canonical_form() {
        assert_eq!(answer(Payload::Text("  dr. JANE   o’neill ")).as_deref(), Ok(r#""Jane O'Neill""#));
        assert_eq!(ask(r#""SMITH, John""#).as_deref(), Ok(r#""John Smith""#));
        assert_eq!(ask(r#""\u0022Acme\u0022, inc""#).as_deref(), Ok(r#""Acme Inc.""#));
    }

    #[test]
    fn an_object_is_answered_with_the_kind_too() {
        assert_eq!(
            ask(r#"{"name":"mr. john smith"}"#).as_deref(),
            Ok(r#"{"name":"mr. john smith","normalized":"John Smith","kind":"person"}"#)
        );
        assert_eq!(
            answer(Payload::Text(r#"{"name":"mr. john smith"}"#)),
            answer(Payload::Json(r#"{"name":"mr. john smith"}"#)),
            "also in a text"
        );
        assert_eq!(
            ask(r#"{"kind":null,"name":"ACME gmbh","more":1}"#).as_deref(),
            Ok(r#"{"name":"ACME gmbh","normalized":"Acme GmbH","kind":"organisation"}"#)
        );
        assert_eq!(
            ask(r#"{"name":"FORD","kind":"organisation"}"#).as_deref(),
            Ok(r#"{"name":"FORD","normalized":"Ford","kind":"organisation"}"#)
        );
        assert_eq!(
            ask(r#"{"name":"Bank, Anna","kind":"person"}"#).as_deref(),
            Ok(r#"{"name":"Bank, Anna","normalized":"Anna Bank","kind":"person"}"#)
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for raw in ["7", "null", "[\"a\"]", "{}", r#"{"name":7}"#, r#"{"name":"a","name":"b"}"#, "true"] {
            assert_eq!(ask(raw), Err(Code::BadArgument), "{raw}");
        }
        for raw in [r#"{"name":"a","kind":"robot"}"#, r#"{"name":"a","kind":1}"#] {
            assert_eq!(ask(raw), Err(Code::BadArgument), "{raw}");
        }
        for blank in ["", "  ", "\u{200b}\u{ad}", " , ;", "\0"] {
            assert_eq!(answer(Payload::Text(blank)).map_err(|r| r.code), Err(Code::BadArgument), "{blank:?}");
        }
    }

    #[test]
    fn a_name_over_the_bound_is_refused() {
        assert!(answer(Payload::Text(&"ä".repeat(MAX_NAME_CHARS))).is_ok());
        let refusal = answer(Payload::Text(&"ä".repeat(MAX_NAME_CHARS + 1))).expect_err("too long");
        assert_eq!(
            (refusal.code, &*refusal.message),
            (Code::TooLarge, "a name has 1000 characters at the most")
        );
        // One character that stands for eighteen.
        assert_eq!(answer(Payload::Text(&"\u{fdfa}".repeat(900))).map_err(|r| r.code), Err(Code::TooLarge));
    }
}
