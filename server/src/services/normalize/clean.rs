//! The first step for every name: one way to write each character (NFKC), nothing invisible, one kind
//! of space, apostrophe, quotation mark, dash and comma. It knows nothing of people or organisations.

use unicode_normalization::UnicodeNormalization;

/// A name without what is only writing. Empty when nothing can be seen.
pub(super) fn cleaned(text: &str) -> String {
    // Some of what is unified has a compatibility form that is not wanted (´ would become a space
    // and an accent), and some comes out of one: so before and after.
    let composed: String = text.chars().filter_map(unified).nfkc().filter_map(unified).collect();
    let mut out = String::with_capacity(composed.len());
    for word in composed.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    trimmed(&out).to_owned()
}

/// Without the commas, dashes and spaces around it, and without quotation marks around all of it.
pub(super) fn trimmed(text: &str) -> &str {
    let loose = |ch: char| matches!(ch, ' ' | ',' | ';' | '-');
    let mut text = text.trim_matches(loose);
    while let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        if inner.contains('"') {
            break;
        }
        text = inner.trim_matches(loose);
    }
    text
}

/// What a character is written as, or nothing.
fn unified(ch: char) -> Option<char> {
    Some(match ch {
        '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2800}' => ' ',
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' | '\u{2bb}' | '\u{2bc}' | '\u{2bd}' | '\u{b4}'
        | '\u{60}' | '\u{ff07}' | '\u{5f3}' | '\u{a78c}' => '\'',
        '\u{201a}' => ',',
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2033}' | '\u{ff02}' | '\u{5f4}' => '"',
        '\u{300c}'..='\u{300f}' | '\u{300a}' | '\u{300b}' => '"',
        '\u{2010}'..='\u{2015}'
        | '\u{2212}'
        | '\u{fe58}'
        | '\u{fe63}'
        | '\u{ff0d}'
        | '\u{58a}'
        | '\u{5be}' => '-',
        '\u{60c}' | '\u{3001}' | '\u{ff0c}' | '\u{ff64}' => ',',
        _ if ch.is_control() || is_invisible(ch) || is_mark_of_trade(ch) => return None,
        _ => ch,
    })
}

/// Format characters (the Unicode category Cf), fillers and variation selectors.
fn is_invisible(ch: char) -> bool {
    matches!(ch,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{640}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_mark_of_trade(ch: char) -> bool {
    matches!(ch, '\u{2122}' | '\u{2120}' | '\u{ae}' | '\u{a9}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_writing_goes() {
        for (given, wanted) in [
            ("  a\t\r\n b\u{a0}\u{3000}c ", "a b c"),
            ("Zoe\u{308}", "Zoë"),
            ("ﬁnn Ｊｏｈｎ", "finn John"),
            ("O\u{2019}Neill O\u{b4}Neill O`Neill", "O'Neill O'Neill O'Neill"),
            ("„Acme“ «Acme»", "\"Acme\" \"Acme\""),
            ("„Acme“", "Acme"),
            ("Jean\u{2010}Luc Jean–Luc", "Jean-Luc Jean-Luc"),
            ("a\u{200b}b\u{202e}c\u{feff}", "abc"),
            ("Acme™ ®", "Acme"),
            (" ,x,; ", "x"),
            ("\u{200b}", ""),
            ("\"\"", ""),
        ] {
            assert_eq!(cleaned(given), wanted, "{given:?}");
        }
    }
}
