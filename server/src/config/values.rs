//! Texts into values: one small parser for each kind of option, each with its bounds. An error says
//! what is wrong and what would have been right; where it stood is added by the caller.

use bytesize::ByteSize;
use hubbub_shared::names::{quote, ClientName};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// What a parser gives.
pub type Parsed<T> = Result<T, String>;

/// A whole number within bounds.
pub fn count(bounds: RangeInclusive<usize>) -> impl Fn(&str) -> Parsed<usize> {
    move |text| {
        let wrong = || format!("{}: a whole number from {} to {}", quote(text), bounds.start(), bounds.end());
        text.trim().parse().ok().filter(|n| bounds.contains(n)).ok_or_else(wrong)
    }
}

/// A size in bytes within bounds: `65536`, `64KiB`, `64 kB`.
pub fn bytes(bounds: RangeInclusive<usize>) -> impl Fn(&str) -> Parsed<usize> {
    move |text| {
        let right = || {
            let (least, most) = (show_bytes(bounds.start()), show_bytes(bounds.end()));
            format!(
                "a size from {least} to {most}, such as 65536, 64KiB (65,536 bytes) or 64kB (64,000 bytes)"
            )
        };
        let size: ByteSize = text.trim().parse().map_err(|_| format!("{}: {}", quote(text), right()))?;
        usize::try_from(size.as_u64())
            .ok()
            .filter(|n| bounds.contains(n))
            .ok_or_else(|| format!("{} is out of bounds: {}", quote(text), right()))
    }
}

/// A duration within bounds: `10s`, `500ms`, `1h 30m`.
pub fn duration(bounds: RangeInclusive<Duration>) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        let time = duration_text(text)?;
        if bounds.contains(&time) {
            return Ok(time);
        }
        let (least, most) = (show_duration(bounds.start()), show_duration(bounds.end()));
        Err(format!("{} is out of bounds: a duration from {least} to {most}", quote(text)))
    }
}

/// A duration of whole seconds within bounds.
pub fn seconds(bounds: RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<u64> {
    let within = duration(Duration::from_secs(*bounds.start())..=Duration::from_secs(*bounds.end()));
    move |text| {
        let time = within(text)?;
        let whole = (time.subsec_nanos() == 0).then_some(time.as_secs());
        whole.ok_or_else(|| format!("{}: whole seconds, such as {}s", quote(text), time.as_secs() + 1))
    }
}

/// A duration without bounds.
pub fn duration_text(text: &str) -> Parsed<Duration> {
    humantime::parse_duration(text.trim()).map_err(|_| {
        let unit = match text.trim().parse::<u64>() {
            Ok(number) => format!("a duration needs a unit, such as {number}s or {number}ms"),
            Err(_) => "a duration such as 10s, 500ms or 1h 30m".to_owned(),
        };
        format!("{}: {unit}", quote(text))
    })
}

/// An address to listen on. Names are not looked up (which of their addresses would it be?), but
/// `localhost` has only one meaning that matters. `usual` is the port that an error suggests.
pub fn listen(usual: u16) -> impl Fn(&str) -> Parsed<SocketAddr> {
    move |text| {
        let text = text.trim();
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        local
            .map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .or_else(|| text.parse().ok())
            .ok_or_else(|| match text.parse::<u16>() {
                Ok(port) => format!("{} lacks the address: 127.0.0.1:{port}?", quote(text)),
                Err(_) => format!(
                    "{}: an IP address and a port, such as 127.0.0.1:{usual}, [::1]:{usual} or \
                     localhost:{usual}",
                    quote(text)
                ),
            })
    }
}

/// A server's name: the grammar of client names.
pub fn name(text: &str) -> Parsed<String> {
    ClientName::parse(text).map(|name| name.to_string()).map_err(|refusal| refusal.message.into())
}

/// A path, as it stands: `~` is the shell's business.
pub fn path(text: &str) -> Parsed<PathBuf> {
    if text.starts_with("~/") {
        return Err(format!("{}: ~ means something only to a shell; write the whole path", quote(text)));
    }
    if text.is_empty() {
        return Err("a path is missing".into());
    }
    Ok(text.into())
}

/// Yes or no.
pub fn yes_no(text: &str) -> Parsed<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("{}: true or false", quote(text))),
    }
}

/// One of a few words.
pub fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Parsed<T> {
    move |text| {
        let wanted = text.trim();
        words.iter().find(|(word, _)| word.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value).ok_or_else(
            || {
                let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let meant = nearest(wanted, all.iter().copied());
                let meant = meant.map(|word| format!("; is {word} meant?")).unwrap_or_default();
                format!("{}: one of {}{meant}", quote(text), all.join(", "))
            },
        )
    }
}

/// The word that was probably meant, if one is near enough.
pub fn nearest<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A guess that serves: one slip for each three letters.
    let near = 1.max(wrong.chars().count().min(12) / 3);
    let wrong = wrong.to_ascii_lowercase().replace('_', "-");
    words
        .map(|word| (strsim::osa_distance(&wrong, &word.to_ascii_lowercase().replace('_', "-")), word))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// A size in the largest unit that tells it exactly.
pub fn show_bytes(bytes: &usize) -> String {
    let units = [(1usize << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| *bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// A duration as it may be written.
pub fn show_duration(time: &Duration) -> String {
    humantime::format_duration(*time).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes() {
        let size = bytes(1..=1 << 40);
        for (text, value) in [
            ("8MiB", 8 << 20),
            ("8388608", 8 << 20),
            ("8 MiB", 8 << 20),
            ("8MB", 8_000_000),
            ("64kB", 64_000),
            ("64KiB", 65_536),
            ("1.5KiB", 1_536),
        ] {
            assert_eq!(size(text), Ok(value), "{text}");
        }
        for text in ["", "-1", "many", "8 parsecs", "MiB", "1e9", "NaN", "∞", "0x10"] {
            assert!(size(text).unwrap_err().contains("64KiB"), "{text}");
        }
        let error = bytes(1024..=4096)("5KiB").unwrap_err();
        assert!(error.starts_with("\"5KiB\" is out of bounds: a size from 1KiB to 4KiB"), "{error}");
        assert!(bytes(1..=10)("99999999999999999999999YiB").is_err());
    }

    #[test]
    fn durations() {
        assert_eq!(duration_text("1h 30m"), Ok(Duration::from_secs(5400)));
        assert!(duration_text("60").unwrap_err().contains("such as 60s"));
        assert!(duration_text("soon").unwrap_err().contains("10s, 500ms"));
        assert!(duration_text("-1s").is_err());
        assert!(duration_text("99999999999999999999s").is_err());
        let within = seconds(1..=60);
        assert_eq!(within("1m"), Ok(60));
        assert!(within("1500ms").unwrap_err().contains("whole seconds, such as 2s"));
        assert!(within("61s").unwrap_err().contains("from 1s to 1m"));
        assert!(within("0s").is_err());
    }

    #[test]
    fn addresses() {
        let listen = listen(7411);
        assert_eq!(listen("localhost:80").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(listen("[::1]:0").unwrap().to_string(), "[::1]:0");
        assert_eq!(listen("7411").unwrap_err(), "\"7411\" lacks the address: 127.0.0.1:7411?");
        for text in ["", "127.0.0.1", "127.0.0.1:65536", "hub.example:7411", "::1:x", "localhost"] {
            assert!(listen(text).unwrap_err().contains("such as 127.0.0.1:7411"), "{text}");
        }
    }

    #[test]
    fn words_and_counts() {
        let word = one_of(&[("text", 1), ("json", 2)]);
        assert_eq!(word("JSON"), Ok(2));
        assert_eq!(word("jsn").unwrap_err(), "\"jsn\": one of text, json; is json meant?");
        assert_eq!(word("xml").unwrap_err(), "\"xml\": one of text, json");
        assert_eq!(count(1..=9)("10").unwrap_err(), "\"10\": a whole number from 1 to 9");
        assert!(count(0..=9)("-1").is_err() && count(0..=9)("1.0").is_err() && count(0..=9)("").is_err());
        assert_eq!((yes_no("On"), yes_no("0")), (Ok(true), Ok(false)));
        assert!(yes_no("maybe").is_err());
        assert!(path("~/hub").is_err() && path("").is_err() && path("a b").is_ok());
        assert!(name("my hub").unwrap_err().contains("1 to 32"));
    }

    #[test]
    fn the_nearest_word() {
        let words = || ["max-queue", "max-line", "name"].into_iter();
        assert_eq!(nearest("max_queue", words()), Some("max-queue"));
        assert_eq!(nearest("max-qeue", words()), Some("max-queue"));
        assert_eq!(nearest("nmae", words()), Some("name"));
        assert_eq!(nearest("cluster", words()), None);
    }

    #[test]
    fn values_are_shown_as_they_may_be_written() {
        for value in [1, 1000, 1024, 65_536, 8 << 20, 3 << 30, (1 << 20) + 1] {
            assert_eq!(bytes(0..=usize::MAX)(&show_bytes(&value)), Ok(value));
        }
        assert_eq!(show_bytes(&0), "0");
        assert_eq!(
            duration_text(&show_duration(&Duration::from_millis(61_500))).unwrap().as_millis(),
            61_500
        );
    }
}
