//! Keeps what one client wrote from harming another's terminal or stream: control characters and
//! bidirectional overrides are shown as escapes in text, and strings are quoted for JSON.

/// Whether a character must not reach a terminal as it is: C0, DEL, C1, the bidirectional
/// overrides and isolates, and the two Unicode line separators.
pub fn needs_escape(ch: char) -> bool {
    matches!(ch,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{2028}' | '\u{2029}')
}

/// Appends a text that is safe to show on one line: line breaks become `⏎`, tabs stay, and every
/// other character that [`needs_escape`] becomes `\xNN` or `\u{NNNN}`.
pub fn push_shown(text: &str, out: &mut Vec<u8>) {
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut chars = text.chars().peekable();
    let mut utf8 = [0u8; 4];
    while let Some(ch) = chars.next() {
        match ch {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => out.extend_from_slice("⏎".as_bytes()),
            '\t' => out.push(b'\t'),
            c if needs_escape(c) => out.extend_from_slice(escaped(c).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
        }
    }
}

/// How a character is shown that must not be shown as it is: `\xNN` in ASCII, `\u{NNNN}` beyond.
pub fn escaped(ch: char) -> String {
    match ch {
        '\0'..='\x7f' => format!("\\x{:02x}", ch as u32),
        _ => format!("\\u{{{:x}}}", ch as u32),
    }
}

/// [`push_shown`] into a string of its own.
pub fn shown(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    push_shown(text, &mut out);
    String::from_utf8(out).expect("escaping keeps UTF-8")
}

/// Whether all bytes are printable ASCII. Written without an early exit, so that it becomes vector
/// instructions: it runs once over every payload.
pub fn is_plain(bytes: &[u8]) -> bool {
    let (least, most) = bytes.iter().fold((u8::MAX, 0), |(least, most), &b| (least.min(b), most.max(b)));
    least >= 0x20 && most < 0x7f
}

/// Appends a text as a JSON string, quotes included.
pub fn push_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => b"",
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        if escape.is_empty() {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            out.extend_from_slice(escape);
        }
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terminal_never_sees_what_would_move_it() {
        assert_eq!(shown("a\x1b[2Jb\u{7f}\u{9b}"), "a\\x1b[2Jb\\x7f\\u{9b}");
        assert_eq!(shown("one\ntwo\r\nthree\rfour"), "one⏎two⏎three\\x0dfour");
        assert_eq!(shown("\u{202e}evil\u{2066}"), "\\u{202e}evil\\u{2066}");
        assert_eq!(shown("grüße\t日本"), "grüße\t日本");
    }

    proptest! {
        #[test]
        fn shown_text_holds_nothing_to_escape(text in any::<String>()) {
            prop_assert!(shown(&text).chars().all(|c| c == '\t' || !needs_escape(c)));
        }

        #[test]
        fn a_json_string_reads_back(text in any::<String>()) {
            let mut out = Vec::new();
            push_json_string(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).expect("valid JSON"), text);
        }
    }
}
