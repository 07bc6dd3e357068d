//! What people see of payloads.

use super::*;
use proptest::prelude::*;
use serde_json::{json, Value};
use std::time::{Duration, Instant};

fn fold(raw: &str) -> String {
    folded(raw).text
}

#[test]
fn a_small_payload_is_folded_whole() {
    assert_eq!(fold("{ \"state\" : \"failed\",\n \"took_s\": 81.40 }"), "{state: \"failed\", took_s: 81.40}");
    assert_eq!(
        fold(r#"[1e3, -0, true, null, {}, [], {"a b": [[]]}]"#),
        r#"[1e3, -0, true, null, {}, [], {"a b": [[]]}]"#
    );
    assert_eq!(fold(r#" "text" "#), r#""text""#);
    assert_eq!(fold(r#"{"z":1,"a":2,"z":3,"":4,"1a":5}"#), r#"{z: 1, a: 2, z: 3, "": 4, "1a": 5}"#);
}

#[test]
fn strings_are_readable_when_folded_and_exact_when_expanded() {
    let raw = r#"["gr\u00fc\u00dfe \ud83d\ude00 a\/b \"q\" \\ \n \u001b[2J \u202e \ud83d"]"#;
    assert_eq!(fold(raw), r#"["grüße 😀 a/b \"q\" \\ \n \u001b[2J \u202e \ud83d"]"#);
    assert_eq!(expanded(raw).text, format!("[\n  {}\n]", &raw[1..raw.len() - 1]));
    let raw = "\"\u{202e}\u{7f}👨\u{200d}👩 e\u{301}\"";
    assert_eq!(fold(raw), "\"\\u202e\\u007f👨👩 e\u{301}\"");
    assert_eq!(expanded(raw).text, "\"\\u202e\\u007f👨\\u200d👩 e\u{301}\"");
    assert_eq!(expanded("\"\u{e0041}\"").text, "\"\\udb40\\udc41\"");
}

#[test]
fn a_long_payload_says_how_much_is_left_out() {
    let numbers: Vec<u32> = (1000..2000).collect();
    let text = fold(&json!(numbers).to_string());
    assert!(text.starts_with("[1000, 1001, 1002"), "{text}");
    assert!(text.ends_with(", …970 more]"), "{text}");
    let text = fold(&json!({"a": 1, "b": numbers, "c": {"d": "x".repeat(500)}, "e": 2}).to_string());
    assert!(text.starts_with("{a: 1, b: [1000, "), "{text}");
    assert!(text.contains(" more], c: {d: \"xxxx"), "{text}");
    assert!(text.ends_with("…\"}, e: 2}"), "{text}");
    let text = fold(&json!({"a": {"a": {"a": {"a": numbers}}}}).to_string());
    assert_eq!(text, "{a: {a: {a: {a: […1000]}}}}");
    assert_eq!(width(&fold(&json!("日".repeat(1000)).to_string())), MAX_FOLDED - 1);
}

#[test]
fn an_expanded_payload_is_indented() {
    assert_eq!(
        expanded(r#"{"a":[1,{"b":null}],"c":{},"d":[ ]}"#).text,
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}"
    );
    assert_eq!(expanded("12").text, "12");
}

#[test]
fn an_expanded_payload_has_so_many_lines_and_a_count() {
    let of = |members: usize| expanded(&json!(vec![0; members]).to_string()).text;
    assert_eq!(of(498).lines().count(), 500);
    assert!(of(498).ends_with("\n]"));
    assert!(of(499).ends_with("  0\n… 1 more line"));
    assert_eq!(of(10_000).lines().count(), 501);
    assert!(of(10_000).ends_with("\n… 9502 more lines"));
}

#[test]
fn parts_are_marked() {
    let Marked { text, spans } = folded(r#"{"a":["b",1,true]}"#);
    let parts: Vec<_> = spans.into_iter().map(|(range, token)| (&text[range], token)).collect();
    use Token::*;
    assert_eq!(
        parts,
        [
            ("{", Punctuation),
            ("a", Key),
            (": ", Punctuation),
            ("[", Punctuation),
            ("\"b\"", String),
            (", ", Punctuation),
            ("1", Number),
            (", ", Punctuation),
            ("true", Word),
            ("]", Punctuation),
            ("}", Punctuation),
        ]
    );
}

#[test]
fn what_is_no_json_is_shown_as_text() {
    for raw in ["", "hello", "{\"a\":", "\"\\", "\"", "[1,]", "\u{1b}[2J\n{", "{\"日\\本", "1 2"] {
        assert_eq!(fold(raw), safe_line(raw));
        assert_eq!(expanded(raw).text, safe(raw));
    }
    assert!(is_structured(" \n{") && is_structured("[") && !is_structured("\"{\"") && !is_structured(""));
    assert_eq!(expanded(&"x\n".repeat(1000)).text.lines().count(), MAX_EXPANDED_LINES + 1);
}

#[test]
fn neither_depth_nor_length_does_harm() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_objects = format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000));
    let long = json!("x".repeat(1 << 20)).to_string();
    let digits = "1".repeat(1 << 20);
    let spaces = format!("[[[[[[{}1]]]]]]", " ".repeat(1 << 20));
    let many = json!(vec![1; 1 << 17]).to_string();
    let quotes = json!("\"".repeat(1 << 18)).to_string();
    let marks = json!({"\u{301}".repeat(1 << 18): "\u{301}".repeat(1 << 18)}).to_string();
    for raw in [deep, deep_objects, long, digits, spaces, many, quotes, marks] {
        let from = Instant::now();
        assert!(width(&folded(&raw).text) <= MAX_FOLDED);
        assert!(expanded(&raw).text.lines().count() <= MAX_EXPANDED_LINES + 1);
        // Something quadratic would take hours.
        assert!(from.elapsed() < Duration::from_secs(30), "{:?}", from.elapsed());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z ]{0,90}".prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 120, 12, |inner| {
        let key = prop_oneof!["[a-z_]{1,60}", any::<String>()];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..12).prop_map(|map| json!(map)),
        ]
    })
}

fn check(marked: &Marked) -> Result<(), TestCaseError> {
    prop_assert_eq!(safe(&marked.text), marked.text.as_str());
    let mut at = 0;
    for (range, _) in &marked.spans {
        prop_assert!(
            at <= range.start && range.start <= range.end && marked.text.get(range.clone()).is_some()
        );
        at = range.end;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_expanded_payload_means_the_same(value in any_json()) {
        let expanded = expanded(&value.to_string());
        check(&expanded)?;
        if expanded.text.lines().count() <= MAX_EXPANDED_LINES {
            prop_assert_eq!(serde_json::from_str::<Value>(&expanded.text).expect("valid JSON"), value);
        }
    }

    #[test]
    fn a_folded_payload_is_one_short_line(value in any_json(), pretty: bool) {
        let raw = if pretty { format!("{value:#}") } else { value.to_string() };
        let folded = folded(&raw);
        check(&folded)?;
        prop_assert!(width(&folded.text) <= MAX_FOLDED && !folded.text.contains('\n'), "{}", folded.text);
    }

    #[test]
    fn no_text_does_harm(raw in prop_oneof![any::<String>(), "[\\[\\]{}\",:a1\\\\ u日\n]{0,40}"]) {
        check(&folded(&raw))?;
        check(&expanded(&raw))?;
        prop_assert!(width(&folded(&raw).text) <= MAX_FOLDED);
    }
}
