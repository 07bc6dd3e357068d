//! Takes out of a screen what changes between runs. Each thing becomes a placeholder of the same
//! width, so that the columns stay.

/// A rule: what it finds at a place, as a pattern, and what stands there instead.
///
/// In patterns `0` is a digit, `h` a lower-case hex digit, `W` the name of a weekday in three letters,
/// `M` that of a month; everything else is itself.
struct Rule {
    pattern: &'static str,
    instead: &'static str,
    /// Whether a digit, a letter, a dot or a colon right before or after makes it something else.
    whole: bool,
}

const fn rule(pattern: &'static str, instead: &'static str, whole: bool) -> Rule {
    Rule { pattern, instead, whole }
}

/// The first that fits is used: longer ones stand before those that are their parts.
const RULES: &[Rule] = &[
    rule("hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", true),
    rule("hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", true),
    rule("0000-00-00T00:00:00.000Z", "yyyy-mm-ddThh:mm:ss.mmmZ", true),
    rule("0000-00-00 00:00:00", "yyyy-mm-dd hh:mm:ss", true),
    rule("0000-00-00", "yyyy-mm-dd", true),
    rule("W, 00 M 0000", "Www, dd Mmm yyyy", true),
    rule("W 00 M 0000", "Www dd Mmm yyyy", true),
    rule("00 M 0000", "dd Mmm yyyy", true),
    rule("W 0000-00-00", "Www yyyy-mm-dd", true),
    rule("00:00:00", "hh:mm:ss", true),
    rule("00:00", "hh:mm", true),
    // Free ports have five digits.
    rule("127.0.0.1:00000", "127.0.0.1:ppppp", true),
    rule("[::1]:00000", "[::1]:ppppp", true),
    // An origin: the name of a server and six hex digits.
    rule("-hhhhhh", "-xxxxxx", false),
];

const WEEKDAYS: &[&str] = &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: &[&str] = &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Units of delays. The number before one of them is a placeholder with the blanks before it, since a
/// number that is aligned at its end has other widths in other runs.
const UNITS: &[&str] = &[" ms", " µs", " us", " ns"];

/// The text with placeholders.
pub fn normalise(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut normal = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        if let Some(rule) = RULES.iter().find(|rule| rule.fits(&characters, at)) {
            normal.push_str(rule.instead);
            at += rule.instead.chars().count();
        } else if let Some(width) = version(&characters, at) {
            normal.extend(characters[at..at + width].iter().map(|c| if *c == '.' { '.' } else { 'v' }));
            at += width;
        } else if let Some((blanks, digits)) = delay(&characters, at) {
            normal.extend(std::iter::repeat_n(' ', blanks + digits - 1));
            normal.push('N');
            at += blanks + digits;
        } else {
            normal.push(characters[at]);
            at += 1;
        }
    }
    normal
}

impl Rule {
    fn fits(&self, text: &[char], at: usize) -> bool {
        let mut place = at;
        for part in self.pattern.chars() {
            let Some(character) = text.get(place) else { return false };
            let (fits, width) = match part {
                '0' => (character.is_ascii_digit(), 1),
                'h' => (is_hex(*character), 1),
                'W' => (is_one_of(WEEKDAYS, text, place), 3),
                'M' => (is_one_of(MONTHS, text, place), 3),
                part => (*character == part, 1),
            };
            if !fits {
                return false;
            }
            place += width;
        }
        let joins = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric());
        // A word such as "re-decade" is no origin: it has no digit or goes on.
        let ends = !joins(text.get(place));
        if self.whole {
            let before = at.checked_sub(1).and_then(|before| text.get(before));
            let more = matches!((text.get(place), text.get(place + 1)), (Some('.' | ':'), Some(c)) if c.is_alphanumeric());
            ends && !more && !joins(before) && !matches!(before, Some('.' | ':'))
        } else {
            let before = at.checked_sub(1).and_then(|before| text.get(before));
            ends && joins(before) && text[at..place].iter().any(char::is_ascii_digit)
        }
    }
}

/// The width of this release's version, where it stands there.
fn version(text: &[char], at: usize) -> Option<usize> {
    let version = env!("CARGO_PKG_VERSION");
    let is_part = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '.');
    let width = version.chars().count();
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    let here = text.get(at..at + width)?.iter().copied().eq(version.chars());
    (here && !is_part(before) && !is_part(text.get(at + width))).then_some(width)
}

/// How many blanks and how many characters of a number with a unit of time stand there.
fn delay(text: &[char], at: usize) -> Option<(usize, usize)> {
    // Blanks are taken together, and a number as a whole.
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    let joins = |c: &char| *c == ' ' || (text[at] != ' ' && (c.is_alphanumeric() || *c == '.'));
    if before.is_some_and(joins) {
        return None;
    }
    let rest = &text[at..];
    let blanks = rest.iter().take_while(|c| **c == ' ').count();
    let number = &rest[blanks..];
    let digits = number.iter().take_while(|c| c.is_ascii_digit() || **c == '.').count();
    let unit = &number[digits..];
    let fits = |unit_text: &&&str| {
        let width = unit_text.chars().count();
        unit.get(..width).is_some_and(|u| u.iter().copied().eq(unit_text.chars()))
            && !unit.get(width).is_some_and(|c| c.is_alphanumeric())
    };
    (number.first().is_some_and(char::is_ascii_digit) && UNITS.iter().find(fits).is_some())
        .then_some((blanks, digits))
}

fn is_hex(character: char) -> bool {
    character.is_ascii_digit() || ('a'..='f').contains(&character)
}

fn is_one_of(names: &[&str], text: &[char], at: usize) -> bool {
    names.iter().any(|name| text.get(at..at + 3).is_some_and(|t| t.iter().copied().eq(name.chars())))
}

#[cfg(test)]
mod tests {
    use super::normalise;
    use proptest::prelude::*;

    #[test]
    fn what_changes_between_runs_becomes_a_placeholder_of_the_same_width() {
        for (text, expected) in [
            ("12:34 bob: hi", "hh:mm bob: hi"),
            ("12:34:56 │ 07:08", "hh:mm:ss │ hh:mm"),
            ("at 127.0.0.1:40123, done", "at 127.0.0.1:ppppp, done"),
            ("[::1]:40123", "[::1]:ppppp"),
            ("alpha-ad608d said", "alpha-xxxxxx said"),
            ("origin: hub.one-0a1b2c", "origin: hub.one-xxxxxx"),
            ("id 01930000-aaaa-7bbb-8ccc-0123456789ab.", "id xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx."),
            ("since 2026-11-21T00:18:53.611Z", "since yyyy-mm-ddThh:mm:ss.mmmZ"),
            ("─ Sat 21 Nov 2026 ─", "─ Www dd Mmm yyyy ─"),
            ("─ Sat 2026-11-21 ─", "─ Www yyyy-mm-dd ─"),
        ] {
            assert_eq!(normalise(text), expected);
        }
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            normalise(&format!("alpha {version};")),
            format!("alpha {};", version.replace(char::is_numeric, "v"))
        );
    }

    #[test]
    fn delays_that_end_in_one_column_become_the_same() {
        assert_eq!(normalise("alpha   0.4 ms │"), "alpha     N ms │");
        assert_eq!(normalise("alpha  12.4 ms │"), normalise("alpha   0.4 ms │"));
        assert_eq!(normalise("alpha   123 ms │"), normalise("alpha   0.4 ms │"));
        assert_eq!(normalise("(0.4 ms)"), "(  N ms)");
        assert_eq!(normalise("85 µs"), " N µs");
    }

    #[test]
    fn what_people_write_stays() {
        for text in [
            "1:2 and 12:345",
            "re-decade",
            "room-facade",
            "build 512 failed in 81.4 s",
            "10 msgs",
            "sha 123",
            "10.0.0.1:80",
            "a  b   c",
        ] {
            assert_eq!(normalise(text), text);
        }
    }

    proptest! {
        #[test]
        fn the_width_of_each_line_stays(text in "[ 0-9a-f:.\\-Tms\nµSatNov│]{0,200}") {
            let widths = |text: &str| text.split('\n').map(|l| l.chars().count()).collect::<Vec<_>>();
            prop_assert_eq!(widths(&normalise(&text)), widths(&text));
        }

        #[test]
        fn twice_is_once(text in "[ 0-9a-f:.\\-Tms\nµ│]{0,200}") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }
    }
}
