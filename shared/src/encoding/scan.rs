//! A validating scanner for JSON that stays in place: it finds the keys and values of a command
//! object as slices of the read buffer and accepts exactly what every reader of the hub's output
//! can parse. A payload is checked here once and then copied to receivers as it was written.
//!
//! Stricter than the grammar in two points, for the sake of those receivers: lone surrogates in
//! `\u` escapes and numbers beyond an IEEE double are refused.

use crate::limits::MAX_JSON_DEPTH;
use crate::refusal::{Code, Refusal};

/// Why a text is not acceptable JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanError {
    /// What was expected at which byte.
    Syntax(&'static str, usize),
    /// Nested deeper than [`MAX_JSON_DEPTH`].
    TooDeep,
    /// All is as it should be, but the number at this byte is beyond an IEEE double.
    NumberTooLarge(usize),
}

impl ScanError {
    /// What is told to whoever wrote it.
    pub fn refusal(self) -> Refusal {
        match self {
            ScanError::TooDeep => crate::command::too_deep(),
            ScanError::Syntax(what, at) => {
                Refusal::new(Code::BadJson, format!("not valid JSON at byte {at}: expected {what}"))
            }
            ScanError::NumberTooLarge(at) => {
                let message = format!(
                    "the number at byte {at} is beyond a 64-bit float, which readers could not take; \
                     write it as a string"
                );
                Refusal::new(Code::TooLarge, message)
            }
        }
    }
}

/// Walks over one JSON text.
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Where the first number is that is too large.
    too_large: Option<usize>,
}

impl<'a> Scanner<'a> {
    /// Starts at the beginning of a text.
    pub fn new(text: &'a str) -> Self {
        Scanner { text, at: 0, too_large: None }
    }

    /// Reads one object and hands each key (without quotes) and value (as written) to `member`.
    /// The text must hold nothing else but white space.
    pub fn object(
        mut self,
        mut member: impl FnMut(&'a str, &'a str) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.space();
        self.expect(b'{', "an object")?;
        self.members(1, Some(&mut member))?;
        self.end()
    }

    /// Reads the first member of an object: its key (without quotes), its value (as written), and all that
    /// follows it, from the comma or the closing brace on, unchecked.
    pub fn first_member(mut self) -> Result<(&'a str, &'a str, &'a str), ScanError> {
        self.space();
        self.expect(b'{', "an object")?;
        let (key, value) = self.member(1)?;
        match self.peek() {
            Some(b',' | b'}') => {
                self.numbers_fit()?;
                Ok((key, value, &self.text[self.at..]))
            }
            _ => Err(self.wanted("a comma or }")),
        }
    }

    /// Checks that the text is one value, nested at most [`MAX_JSON_DEPTH`] deep.
    pub fn value(mut self) -> Result<(), ScanError> {
        self.space();
        self.skip_value(0)?;
        self.end()
    }

    /// Reads the rest of an object whose last key and colon were read: its value, and the end.
    pub fn last_member(mut self) -> Result<&'a str, ScanError> {
        self.skip_value(1)?;
        let value = &self.text[..self.at];
        self.expect(b'}', "}")?;
        self.end()?;
        Ok(value)
    }

    fn end(&mut self) -> Result<(), ScanError> {
        self.space();
        if self.at == self.text.len() {
            self.numbers_fit()
        } else {
            Err(self.wanted("nothing more"))
        }
    }

    fn numbers_fit(&self) -> Result<(), ScanError> {
        self.too_large.map_or(Ok(()), |at| Err(ScanError::NumberTooLarge(at)))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wanted(&self, what: &'static str) -> ScanError {
        ScanError::Syntax(what, self.at)
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), ScanError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.wanted(what))
        }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads one member of an object, and the white space around it: its key and its value.
    #[inline(always)] // in the middle of the parse of every command
    fn member(&mut self, depth: usize) -> Result<(&'a str, &'a str), ScanError> {
        self.space();
        self.expect(b'"', "a key in quotes")?;
        let key_from = self.at;
        self.skip_string()?;
        let key = &self.text[key_from..self.at - 1];
        self.space();
        self.expect(b':', "a colon")?;
        self.space();
        let value_from = self.at;
        self.skip_value(depth)?;
        let value = &self.text[value_from..self.at];
        self.space();
        Ok((key, value))
    }

    #[allow(clippy::type_complexity)]
    fn members(
        &mut self,
        depth: usize,
        mut member: Option<&mut dyn FnMut(&'a str, &'a str) -> Result<(), ScanError>>,
    ) -> Result<(), ScanError> {
        if depth > MAX_JSON_DEPTH {
            return Err(ScanError::TooDeep);
        }
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let (key, value) = self.member(depth)?;
            if let Some(member) = member.as_mut() {
                member(key, value)?;
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.wanted("a comma or }")),
            }
        }
    }

    fn elements(&mut self, depth: usize) -> Result<(), ScanError> {
        if depth > MAX_JSON_DEPTH {
            return Err(ScanError::TooDeep);
        }
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            self.skip_value(depth)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.wanted("a comma or ]")),
            }
        }
    }

    /// Passes over one value that stands inside `depth` containers.
    fn skip_value(&mut self, depth: usize) -> Result<(), ScanError> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.skip_string()
            }
            Some(b'{') => {
                self.at += 1;
                self.members(depth + 1, None)
            }
            Some(b'[') => {
                self.at += 1;
                self.elements(depth + 1)
            }
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wanted("a value")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), ScanError> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.wanted(word))
        }
    }

    fn digits(&mut self) -> Result<(), ScanError> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > from {
            Ok(())
        } else {
            Err(self.wanted("a digit"))
        }
    }

    fn number(&mut self) -> Result<(), ScanError> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        let mut exponent = false;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            exponent = true;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        // Only an exponent or some 300 digits can leave the range of a double.
        if exponent || self.at - from > 300 {
            let finite = self.text[from..self.at].parse::<f64>().is_ok_and(f64::is_finite);
            if !finite {
                self.too_large.get_or_insert(from);
            }
        }
        Ok(())
    }

    /// Passes over a string whose opening quote was read, its closing quote included.
    fn skip_string(&mut self) -> Result<(), ScanError> {
        let bytes = self.text.as_bytes();
        loop {
            self.at += plain_run(&bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(_) => return Err(self.wanted("control characters as escapes")),
                None => return Err(self.wanted("a closing quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ScanError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                match self.hex4()? {
                    0xdc00..=0xdfff => Err(self.wanted("no lone surrogate")),
                    0xd800..=0xdbff => {
                        self.expect(b'\\', "the second half of a surrogate pair")?;
                        self.expect(b'u', "the second half of a surrogate pair")?;
                        match self.hex4()? {
                            0xdc00..=0xdfff => Ok(()),
                            _ => Err(self.wanted("the second half of a surrogate pair")),
                        }
                    }
                    _ => Ok(()),
                }
            }
            _ => Err(self.wanted("an escape that JSON knows")),
        }
    }

    fn hex4(&mut self) -> Result<u32, ScanError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.wanted("four hexadecimal digits"))?;
            self.at += 1;
        }
        Ok(code)
    }
}

/// Bytes of a plain run after which its end is searched for in another way; a multiple of 32. A guess.
const LONG_RUN: usize = 256;

/// The bytes before the first one that ends a plain run of a JSON string: a quote, a backslash or a
/// control character.
fn plain_run(bytes: &[u8]) -> usize {
    let mut at = 0;
    // Without an early exit within a chunk, so that it becomes a few vector instructions.
    while let Some(chunk) = bytes[at..].first_chunk::<32>() {
        let ends = |b: u8| u8::from(b == b'"') | u8::from(b == b'\\') | u8::from(b < 0x20);
        if chunk.iter().fold(0, |found, &b| found | ends(b)) != 0 {
            break;
        }
        at += chunk.len();
        if at == LONG_RUN {
            at += long_plain_run(&bytes[at..]);
        }
    }
    while let Some(eight) = bytes[at..].first_chunk::<8>() {
        let special = special_bytes(u64::from_le_bytes(*eight));
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += eight.len();
    }
    let is_plain = |b: &u8| *b >= 0x20 && *b != b'"' && *b != b'\\';
    at + bytes[at..].iter().take_while(|b| is_plain(b)).count()
}

/// The same, or less where there are control characters: faster, once it is worth to begin with it.
fn long_plain_run(bytes: &[u8]) -> usize {
    let mut at = 0;
    // In parts, so that the second look finds the bytes near by.
    for part in bytes.chunks(4 << 10) {
        let length = memchr::memchr2(b'"', b'\\', part).unwrap_or(part.len());
        if part[..length].iter().fold(u8::MAX, |least, &b| least.min(b)) < 0x20 {
            break;
        }
        at += length;
        if length < part.len() {
            break;
        }
    }
    at
}

/// Marks (by its top bit) each byte of eight that ends a plain run. Exact for the lowest mark, which
/// is the one that is used.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let equals = |byte: u8| {
        let x = word ^ (ONES * byte as u64);
        x.wrapping_sub(ONES) & !x
    };
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (equals(b'"') | equals(b'\\') | control) & TOPS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ok(text: &str) -> bool {
        Scanner::new(text).value().is_ok()
    }

    #[test]
    fn refuses_what_receivers_could_not_read() {
        for bad in [
            r#""\ud800""#,
            r#""\udc00""#,
            r#""\ud800x""#,
            "1e999",
            "-1e999",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "+1",
            "nul",
            "\"\u{1}\"",
            "\"",
            "{\"a\"}",
            "",
            "1 2",
            "'a'",
            "[",
            "NaN",
        ] {
            assert!(!ok(bad), "{bad}");
        }
        assert!(!ok(&"9".repeat(400)) && ok(&"9".repeat(300)));
        for good in
            ["0", "-0.5e-7", r#""\ud83d\ude00""#, r#"{"a":[{},[],"",null,true,false]}"#, " 1 ", "1e308"]
        {
            assert!(ok(good), "{good}");
        }
    }

    #[test]
    fn depth_is_bounded_before_the_stack_is() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(ok(&nested(MAX_JSON_DEPTH)));
        assert_eq!(Scanner::new(&nested(MAX_JSON_DEPTH + 1)).value(), Err(ScanError::TooDeep));
        assert_eq!(Scanner::new(&"[".repeat(100_000)).value(), Err(ScanError::TooDeep));
        assert_eq!(Scanner::new(&"{\"a\":".repeat(100_000)).value(), Err(ScanError::TooDeep));
    }

    proptest! {
        /// However long a run is, and wherever it ends.
        #[test]
        fn a_plain_run_ends_where_it_must(at in 0usize..6000, after in 0usize..400, end in prop::sample::select(b"\"\\\n\0\x1fa\x7f\xff".to_vec())) {
            let mut bytes = vec![b'x'; at + 1 + after];
            bytes[at] = end;
            let plain = end > 0x1f && end != b'"' && end != b'\\';
            prop_assert_eq!(plain_run(&bytes), if plain { bytes.len() } else { at });
        }

        /// What the scanner accepts, serde_json reads, and the other way round.
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:,"\\ue0-9a-f.\-+ntrl\x01 ]{0,24}"#) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(ok(&text), theirs, "{}", text);
        }

        #[test]
        fn accepts_every_value_that_serde_json_writes(parts in prop::collection::vec((any::<String>(), any::<f64>()), 0..6)) {
            let value = serde_json::json!(parts);
            prop_assert!(ok(&value.to_string()));
        }
    }
}
