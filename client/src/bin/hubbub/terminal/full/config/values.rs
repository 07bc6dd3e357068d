//! Values of the configuration: one small reader for each kind, each with its bounds. A mistake says
//! what was found and what would have been right; the key and the line are added by the caller.

use super::{Mistake, Value};
use crate::terminal::full::keys::Keymap;
use chrono::format::{Item, StrftimeItems};
use chrono::NaiveDate;
use hubbub_shared::encoding::escape::needs_escape;
use hubbub_shared::names::{quote, ClientName, Pattern};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::DeValue;
use toml::Spanned;
use unicode_width::UnicodeWidthStr;

/// Columns that the time of a message may take. A guess: a third of the narrowest terminal.
const MAX_TIME_COLUMNS: usize = 12;
/// Bytes of the format of the time; each takes a column at least, or is half of a field.
const MAX_TIME_FORMAT: usize = 64;
/// Words that count as mentions. A guess: each message is searched for all of them.
const MAX_WORDS: usize = 100;
/// Characters of such a word. A guess: more than any name.
const MAX_WORD: usize = 100;
/// Channels to join. A guess: more than anybody reads.
const MAX_JOIN: usize = 1000;
/// When one is away at the soonest, and at the latest. Guesses: reading takes some seconds, and who
/// wants more than a week wants `never`.
const AWAY: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(7 * 86_400);

/// What was found, for a mistake.
fn found(value: Value<'_>) -> String {
    match value.get_ref() {
        DeValue::String(text) => quote(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The mistake that a value is not what it should be.
fn not(value: Value<'_>, right: impl AsRef<str>) -> Mistake {
    Mistake::new(value.span(), format!("{} is not {}", found(value), right.as_ref()))
}

fn text<'a>(value: &'a Spanned<DeValue<'_>>, right: &str) -> Result<&'a str, Mistake> {
    value.get_ref().as_str().ok_or_else(|| not(value, right))
}

/// true or false.
pub fn yes_no(value: Value<'_>) -> Result<bool, Mistake> {
    value.get_ref().as_bool().ok_or_else(|| not(value, "true or false"))
}

/// A whole number within bounds.
pub fn count<T>(value: Value<'_>, bounds: RangeInclusive<T>) -> Result<T, Mistake>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    let number = match value.get_ref() {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    let number = number.and_then(|number| T::try_from(number).ok()).filter(|number| bounds.contains(number));
    number.ok_or_else(|| not(value, format!("a whole number from {} to {}", bounds.start(), bounds.end())))
}

/// One of a few words.
pub fn one_of<T: Copy>(value: Value<'_>, words: &[(&'static str, T)]) -> Result<T, Mistake> {
    let all = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    let given = text(value, &format!("one of {all}"))?;
    let word = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(given));
    word.map(|(_, value)| *value).ok_or_else(|| {
        let meant = nearest(given, words.iter().map(|(word, _)| *word));
        let meant = meant.map(|word| format!("; is {word} meant?")).unwrap_or_default();
        not(value, format!("one of {all}{meant}"))
    })
}

/// A client's name.
pub fn name(value: Value<'_>) -> Result<Option<String>, Mistake> {
    let name = text(value, "a name in quotes")?;
    let name = ClientName::parse(name).map_err(|refusal| Mistake::new(value.span(), refusal.message))?;
    Ok(Some(name.to_string()))
}

/// A list of texts, each checked.
fn list<T>(
    value: Value<'_>,
    most: usize,
    right: &str,
    check: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Mistake> {
    let items = value.get_ref().as_array().ok_or_else(|| not(value, right))?;
    if items.len() > most {
        return Err(Mistake::new(value.span(), format!("{} are too many: at most {most}", items.len())));
    }
    let item = |item: &Spanned<DeValue<'_>>| {
        let text = item.get_ref().as_str().ok_or_else(|| not(item, "a text in quotes"))?;
        check(text).map_err(|why| Mistake::new(item.span(), why))
    };
    items.iter().map(item).collect()
}

/// Channels and patterns to join.
pub fn patterns(value: Value<'_>) -> Result<Vec<Pattern>, Mistake> {
    let check = |text: &str| Pattern::parse(text).map_err(|refusal| refusal.message.into());
    list(value, MAX_JOIN, "a list of channels, such as [\"ops\", \"build.>\"]", check)
}

/// Words that count as mentions.
pub fn words(value: Value<'_>) -> Result<Vec<String>, Mistake> {
    let check = |text: &str| match text {
        text if text.trim().is_empty() => Err("an empty word would mark every message".to_owned()),
        text if text.chars().any(needs_escape) => {
            Err(format!("{} has characters that nobody sees", quote(text)))
        }
        text if text.chars().count() > MAX_WORD => {
            Err(format!("{} is too long: at most {MAX_WORD} characters", quote(text)))
        }
        text => Ok(text.trim().to_owned()),
    };
    list(value, MAX_WORDS, "a list of words, such as [\"deploy\", \"outage\"]", check)
}

/// After which time one is away.
pub fn away_after(value: Value<'_>) -> Result<Option<Duration>, Mistake> {
    let right = "a time such as \"15m\" or \"1h 30m\", from 10s to 7days, or \"never\"";
    let given = text(value, right)?.trim();
    if given.eq_ignore_ascii_case("never") {
        return Ok(None);
    }
    let time = humantime::parse_duration(given).ok().filter(|time| AWAY.contains(time));
    time.map(Some).ok_or_else(|| not(value, right))
}

/// How the time of a message is written.
pub fn time(value: Value<'_>) -> Result<String, Mistake> {
    let format = text(value, "a format of times, such as \"%H:%M\"")?;
    match columns_of_time(format) {
        Ok(columns) if columns <= MAX_TIME_COLUMNS => Ok(format.to_owned()),
        Ok(columns) => Err(Mistake::new(
            value.span(),
            format!("{} takes up to {columns} columns: at most {MAX_TIME_COLUMNS}", quote(format)),
        )),
        Err(why) => Err(Mistake::new(value.span(), format!("{} {why}", quote(format)))),
    }
}

/// How wide a format of times gets at the most. Days of two digits in each month and of each weekday, at
/// the last nanosecond of the day: nothing else changes the width.
fn columns_of_time(format: &str) -> Result<usize, String> {
    const RIGHT: &str =
        "is no format of times: %H hour, %M minute, %S second, %d day, %m month, %% a percent sign";
    if format.len() > MAX_TIME_FORMAT {
        return Err(format!("is too long: at most {MAX_TIME_FORMAT} bytes"));
    }
    let items: Vec<Item<'_>> = StrftimeItems::new(format).collect();
    // Writing such an item fails, and `to_string` makes a panic of that.
    if items.contains(&Item::Error) {
        return Err(RIGHT.to_owned());
    }
    let mut widest = 0;
    for (month, day) in (1..=12).flat_map(|month| (22..=28).map(move |day| (month, day))) {
        // As messages have it: the time of the person's clock, without its zone.
        let day = NaiveDate::from_ymd_opt(2025, month, day).ok_or(RIGHT)?;
        let at = day.and_hms_nano_opt(23, 59, 59, 999_999_999).ok_or(RIGHT)?;
        let mut shown = String::new();
        write!(shown, "{}", at.format_with_items(items.iter())).map_err(|_| RIGHT)?;
        if shown.chars().any(needs_escape) {
            return Err("has characters that are no text: times stand on one line".to_owned());
        }
        widest = widest.max(shown.width());
    }
    Ok(widest)
}

/// The keys: each action with a key, or a list of keys.
pub fn keys(value: Value<'_>) -> Result<Keymap, Mistake> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(not(value, "a section: [keys], and below it lines such as switcher = \"ctrl-k\""));
    };
    let named = |action: &str, mistake| Mistake { key: Some(format!("keys: {}", plain(action))), ..mistake };
    let mut changes = BTreeMap::new();
    for (action, value) in table.iter() {
        let keys = match value.get_ref() {
            DeValue::String(key) => Ok(vec![key.to_string()]),
            // More keys than there are would be a slip, and would take long to compare.
            _ => list(value, 20, "a key such as \"ctrl-k\", or a list of keys", |key| Ok(key.to_owned())),
        };
        changes
            .insert(action.get_ref().to_string(), keys.map_err(|mistake| named(action.get_ref(), mistake))?);
    }
    Keymap::with(&changes).map_err(|wrong| {
        let at = table.iter().find(|(action, _)| action.get_ref().as_ref() == wrong.action);
        let at = at.map_or_else(|| value.span(), |(action, _)| action.span());
        named(&wrong.action, Mistake::new(at, wrong.why))
    })
}

/// An action's name as it stands, or in quotes where it is none.
fn plain(action: &str) -> String {
    let bare = !action.is_empty() && action.len() <= 40;
    let bare = bare && action.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare {
        action.to_owned()
    } else {
        quote(action)
    }
}

/// The word that was probably meant, if one is near enough.
pub fn nearest<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A guess that serves: one slip for each three letters. No word is long.
    let length = wrong.chars().count();
    if length > 64 {
        return None;
    }
    let near = 1.max(length.min(12) / 3);
    let wrong = wrong.to_lowercase().replace('_', "-");
    words
        .map(|word| (strsim::osa_distance(&wrong, word), word))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
