//! What people could publish to take a terminal over or to break what it shows, and the finding of it
//! in what a program writes. Attacks that could be mistaken for a program's own doing carry a mark.

/// A parameter that no program has a use for.
const MARK: &str = "7777";

/// Attacks that are as long as they are: a name, and the text.
pub const ATTACKS: &[(&str, &str)] = &[
    ("all of C0", "\0\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\t\n\u{b}\u{c}\r\u{e}\u{f}\u{10}\u{11}\u{12}\u{13}\u{14}\u{15}\u{16}\u{17}\u{18}\u{19}\u{1a}\u{1b}\u{1c}\u{1d}\u{1e}\u{1f}\u{7f}"),
    ("all of C1", "\u{80}\u{81}\u{82}\u{83}\u{84}\u{85}\u{86}\u{87}\u{88}\u{89}\u{8a}\u{8b}\u{8c}\u{8d}\u{8e}\u{8f}\u{90}\u{91}\u{92}\u{93}\u{94}\u{95}\u{96}\u{97}\u{98}\u{99}\u{9a}\u{9b}\u{9c}\u{9d}\u{9e}\u{9f}"),
    ("clear the screen", "\u{1b}[H\u{1b}[7777J"),
    ("move the cursor", "\u{1b}[7777;7777H\u{1b}[7777A\u{1b}[7777D"),
    ("scroll region", "\u{1b}[1;7777r\u{1b}[7777S"),
    ("C1 control sequence", "\u{9b}7777J\u{9b}1;1H"),
    ("reset", "\u{1b}c"),
    ("hide the cursor", "\u{1b}[?7777;25l"),
    ("leave the alternate screen", "\u{1b}[?7777;1049l"),
    ("resize the window", "\u{1b}[8;7777;7777t"),
    ("title", "\u{1b}]0;owned\u{7}"),
    ("title with ST", "\u{1b}]2;owned\u{1b}\\"),
    ("C1 title", "\u{9d}2;owned\u{9c}"),
    ("clipboard", "\u{1b}]52;c;b3duZWQ=\u{7}"),
    ("link", "\u{1b}]8;;http://owned/\u{7}click\u{1b}]8;;\u{7}"),
    ("unfinished OSC", "\u{1b}]2;owned"),
    ("unfinished CSI", "\u{1b}[7777"),
    ("device control string", "\u{1b}P$q\"p\u{1b}\\"),
    ("application command, privacy message, string", "\u{1b}_owned\u{1b}\\\u{1b}^owned\u{1b}\\\u{1b}Xowned\u{1b}\\"),
    ("questions", "\u{1b}[7777;6n\u{1b}[7777c\u{1b}]11;?owned\u{7}"),
    ("other character sets", "\u{e}\u{1b}(0lqqqk\u{f}\u{1b}n"),
    ("bell", "\u{7}\u{7}\u{7}"),
    ("backspaces", "12345\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}54321"),
    ("carriage return", "all is well\rforged line"),
    ("line break", "all is well\n12:34 root: forged line"),
    ("CR and LF", "all is well\r\nforged line\r\n\r\n"),
    ("vertical tab and form feed", "one\u{b}two\u{c}three"),
    ("NEL, LS and PS", "one\u{85}two\u{2028}three\u{2029}four"),
    ("tabs", "\ta\t\tb\t\t\tc"),
    ("bidi overrides", "\u{202e}gnp.exe\u{202c} \u{202d}forced\u{202c} \u{202a}e\u{202b}e\u{202c}\u{202c}"),
    ("bidi isolates", "\u{2066}one\u{2067}two\u{2068}three\u{2069}\u{2069}\u{2069}"),
    ("unclosed bidi", "\u{202e}\u{202b}\u{2067}never closed"),
    ("bidi marks", "a\u{200e}b\u{200f}c\u{61c}d"),
    ("right-to-left text", "שלום עולם مرحبا بالعالم mixed 123"),
    ("Arabic with marks", "السَّلَامُ عَلَيْكُمْ وَرَحْمَةُ ٱللَّٰهِ"),
    ("one wide ligature", "\u{fdfd}\u{fdfa} before the border"),
    ("Zalgo", "Z\u{351}\u{346}\u{30e}\u{33e}\u{32b}\u{323}a\u{30f}\u{34b}\u{35c}\u{329}l\u{36f}\u{300}\u{31b}g\u{334}\u{335}\u{336}o\u{358}\u{35d}"),
    ("marks without a letter", "\u{301}\u{302}\u{303} \u{20dd}\u{20e0}"),
    ("ZWJ families", "👨‍👩‍👧‍👦👩‍👩‍👦‍👦👨🏿‍🤝‍👨🏻🏳️‍🌈🏴‍☠️👩🏽‍🚀 next to the border"),
    ("skin tones", "👍🏻👍🏼👍🏽👍🏾👍🏿 and alone 🏻🏿"),
    ("flags", "🇩🇪🇯🇵🇺🇸🇫 🇧🇷🇨 half a flag"),
    ("tag characters", "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} hidden\u{e0068}\u{e0069}"),
    ("variation selectors", "☎\u{fe0e}☎\u{fe0f}❤\u{fe0f}✂\u{fe0e}a\u{fe0f}\u{e0100}\u{e01ef}"),
    ("keycaps", "1\u{fe0f}\u{20e3}2\u{fe0f}\u{20e3}#\u{20e3}"),
    ("Hangul jamo", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af} \u{115f}\u{1160}\u{3164}\u{ffa0} \u{1161}\u{11a8}"),
    ("Devanagari and Thai", "क्षत्रिय श्री नमस्ते ที่นี่ น้ำ กำ"),
    ("ambiguous width", "±×÷°§¶αβγ①②③■□▲◆○●★☆"),
    ("full and half width", "ＦＵＬＬ ﾊﾝｶｸ カ\u{3099}カ゛"),
    ("soft hyphen and invisible operators", "soft\u{ad}hyphen 2\u{2062}x a\u{2060}b a\u{2063}b"),
    ("annotations", "\u{fff9}base\u{fffa}note\u{fffb}"),
    ("a lone byte order mark", "\u{feff}"),
    ("byte order marks within", "\u{feff}a\u{feff}b\u{fffe}"),
    ("private use", "\u{e000}\u{e0b0}\u{f8ff}\u{f0000}\u{10fffd}"),
    ("noncharacters", "\u{fdd0}\u{fdef}\u{fffe}\u{ffff}\u{1ffff}\u{10ffff}"),
    ("unassigned", "\u{378}\u{2fe0}\u{50000}\u{e0080}"),
    ("musical controls and shorthand", "\u{1d173}\u{1d17a}\u{1bca0}\u{1bca3}"),
    ("frames of one's own", "│ │ ┌──┐ └──┘ ║ ═ ├┤"),
    ("markup of logs", "*bold* `code` <script>alert(1)</script> %s%n ${HOME} $(id)"),
    ("blanks of all kinds", "a\u{a0}b\u{2000}c\u{2003}d\u{3000}e\u{1680}f\u{205f}g"),
    ("nothing but blanks", "                                        \u{3000}\u{a0}"),
];

/// Attacks by length: a name, how it begins, what comes then, and how often.
const LONG: &[(&str, &str, &str, usize)] = &[
    ("10 kB without a space", "", "x", 10_000),
    ("10 kB of wide characters", "", "漢", 3_334),
    ("wide characters after a narrow one", "a", "字", 3_334),
    ("10 kB of emoji", "", "🦀", 2_500),
    ("10 kB of families", "", "👨‍👩‍👧‍👦", 400),
    ("10,000 marks on one letter", "e", "\u{301}", 10_000),
    ("10,000 zero-width spaces", "a", "\u{200b}", 10_000),
    ("10,000 joiners", "a", "\u{200d}", 10_000),
    ("10,000 word joiners and marks", "", "\u{2060}\u{feff}\u{180e}", 10_000),
    ("500 line breaks", "top", "\n", 500),
    ("500 CR and LF", "", "\r\nforged", 500),
    ("10,000 tabs", "", "\t", 10_000),
    ("1,000 escapes", "", "\u{1b}", 1_000),
    ("10,000 overrides", "", "\u{202e}", 10_000),
    ("10,000 blanks", "a", " ", 10_000),
    ("1,000 flags", "", "🇩🇪", 1_000),
    ("3,000 short words", "", "ab ", 3_000),
];

/// All of them.
pub fn attacks() -> Vec<(&'static str, String)> {
    let short = ATTACKS.iter().map(|(name, text)| (*name, (*text).to_owned()));
    let long =
        LONG.iter().map(|(name, start, piece, times)| (*name, format!("{start}{}", piece.repeat(*times))));
    short.chain(long).collect()
}

/// As much of a text as there is room for in so many bytes.
pub fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Everything in a program's output that only an attack can have brought there; the program may pass
/// some characters on that others never do.
pub fn foreign(output: &[u8], may: fn(char) -> bool) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => match rest.next() {
                Some('[') => {
                    let mut sequence = String::new();
                    for part in rest.by_ref() {
                        sequence.push(part);
                        if !(' '..='?').contains(&part) {
                            break;
                        }
                    }
                    let ends = sequence.ends_with(|c: char| c.is_ascii_alphabetic() || "@`~".contains(c));
                    if !ends || sequence.contains(MARK) {
                        found.push(format!("CSI {sequence:?}"));
                    }
                }
                Some(']') => {
                    let mut command = String::new();
                    while let Some(part) = rest.next() {
                        if part == '\u{7}' {
                            break;
                        }
                        if part == '\u{1b}' {
                            rest.next_if_eq(&'\\');
                            break;
                        }
                        command.push(part);
                    }
                    let known = ["0;", "2;", "10;?", "11;?", "22;"].iter().any(|k| command.starts_with(k));
                    if !known || command.contains("owned") || command.chars().any(is_never_written) {
                        found.push(format!("OSC {command:?}"));
                    }
                }
                // Cursor saved and restored, keypad modes, ASCII as the character set.
                Some('7' | '8' | '=' | '>') => {}
                Some('(') if rest.next_if_eq(&'B').is_some() => {}
                other => found.push(format!("ESC {other:?}")),
            },
            '\r' | '\n' => {}
            other if is_never_written(other) && !may(other) => found.push(format!("{other:?}")),
            _ => {}
        }
    }
    found.dedup();
    found
}

/// Characters that no screen is better for.
fn is_never_written(character: char) -> bool {
    is_moving(character) || is_hidden(character)
}

/// Characters that move or reorder others.
fn is_moving(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that hide something, or that are none.
pub fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e007f}')
        || u32::from(character) & 0xfffe == 0xfffe
}

#[test]
fn what_gets_through_is_found() {
    for (name, text) in [
        "all of C0",
        "all of C1",
        "clear the screen",
        "move the cursor",
        "C1 control sequence",
        "reset",
        "hide the cursor",
        "leave the alternate screen",
        "resize the window",
        "title",
        "title with ST",
        "C1 title",
        "clipboard",
        "link",
        "unfinished OSC",
        "device control string",
        "questions",
        "other character sets",
        "bell",
        "backspaces",
        "NEL, LS and PS",
        "tabs",
        "bidi overrides",
        "bidi isolates",
        "bidi marks",
        "tag characters",
        "annotations",
        "a lone byte order mark",
        "noncharacters",
    ]
    .map(|name| ATTACKS.iter().find(|(known, _)| *known == name).unwrap())
    {
        assert!(!foreign(text.as_bytes(), |_| false).is_empty(), "{name}");
    }
    let own = "\u{1b}[?1049h\u{1b}[2J\u{1b}[1;1H\u{1b}[38;2;1;2;3m\u{1b}]2;hubbub\u{7}text │ שלום 漢\r\n\u{1b}(B\u{1b}7";
    assert_eq!(foreign(own.as_bytes(), |_| false), Vec::<String>::new());
}
