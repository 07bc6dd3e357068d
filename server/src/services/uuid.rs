//! The service `uuid`: `{"title":T}` is answered by `{"title":T,"uuid":32 hex digits}`; a text
//! stands for a title, and nothing for none.

use hubbub_shared::encoding::{escape, json, Payload};
use hubbub_shared::refusal::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    title: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Answered<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a RawValue>,
    uuid: String,
}

pub(super) fn answer(payload: Payload<'_>) -> Result<String, Refusal> {
    let wanted = || Refusal::bad_argument(r#"uuid takes {"title":T}, a text as the title, or nothing"#);
    let asked = super::own::object(payload);
    let text = match payload {
        Payload::Text(text) => Some(text.into()),
        Payload::Json(raw) => json::string(raw),
    };
    let quoted = text.filter(|title| !title.is_empty()).map(|title| {
        let mut out = Vec::new();
        escape::push_json_string(&title, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    });
    let title: Option<&RawValue> = match (&asked, &quoted, payload) {
        (Some(object), ..) => serde_json::from_str::<Asked<'_>>(object).map_err(|_| wanted())?.title,
        (None, Some(title), _) => Some(serde_json::from_str(title).map_err(|_| wanted())?),
        (None, None, Payload::Text(_) | Payload::Json("null" | "\"\"")) => None,
        (None, None, Payload::Json(_)) => return Err(wanted()),
    };
    let uuid = ::uuid::Uuid::now_v7().simple().to_string();
    serde_json::to_string(&Answered { title, uuid }).map_err(|_| wanted())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_comes_back_with_a_uuid() {
        let fields = |payload| {
            let value: serde_json::Value =
                serde_json::from_str(&answer(payload).expect("an answer")).expect("JSON");
            assert_eq!(value["uuid"].as_str().map(str::len), Some(32));
            value["title"].clone()
        };
        assert_eq!(fields(Payload::Json(r#"{"title":[1]}"#)), serde_json::json!([1]));
        assert_eq!(fields(Payload::Text(r#"{"title":"x"}"#)), serde_json::json!("x"));
        assert_eq!(fields(Payload::Json(r#""{\"title\":7}""#)), serde_json::json!(7));
        assert_eq!(fields(Payload::Text("{no object")), serde_json::json!("{no object"));
        assert_eq!(fields(Payload::Text("x\"y")), serde_json::json!("x\"y"));
        assert_eq!(fields(Payload::Text("")), serde_json::Value::Null);
        assert_eq!(fields(Payload::Json("null")), serde_json::Value::Null);
        assert!(answer(Payload::Json("[1]")).is_err());
    }
}
