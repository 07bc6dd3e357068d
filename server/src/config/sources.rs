//! The first stage of configuration: collects raw texts from flags, environment and file, each with
//! the place where it stood, and lets the first source win. It knows names, not meanings: the second
//! stage ([`super`]) checks the values.

use super::options::{variable, CONFIG, OPTIONS};
use super::values::nearest;
use clap::ArgMatches;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Bytes of a configuration file at most. A guess, a hundred times the longest sensible one.
const MAX_FILE: u64 = 1 << 20;
/// Where every hub variable starts.
const PREFIX: &str = "HUBBUB_";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The configuration file.
    File {
        /// Which.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
    },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag => f.write_str("flag"),
            Source::Environment => f.write_str("environment"),
            Source::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Source::Default => f.write_str("default"),
        }
    }
}

/// A value before anybody looked into it.
#[derive(Debug, Clone, PartialEq)]
pub struct RawValue {
    /// As it was written.
    pub text: String,
    /// Where.
    pub source: Source,
}

impl RawValue {
    /// How an error names the place of an option's value.
    pub fn place(&self, name: &str) -> String {
        match &self.source {
            Source::Flag => format!("--{name}"),
            Source::Environment => variable(name),
            file @ Source::File { .. } => format!("{file}: {name}"),
            Source::Default => format!("the default of --{name}"),
        }
    }
}

/// The raw values by option, and what looked odd on the way.
#[derive(Debug, Default)]
pub struct Raw {
    /// One for each option that was given anywhere.
    pub values: BTreeMap<&'static str, RawValue>,
    /// Worth a line in the log.
    pub warnings: Vec<String>,
}

/// Collects from all sources; flags before environment before file. The errors are all that were
/// found, one line each.
pub fn gather(matches: &ArgMatches, environment: &[(OsString, OsString)]) -> Result<Raw, Vec<String>> {
    let (mut raw, mut errors) = (Raw::default(), Vec::new());
    let mut config = None;
    for name in OPTIONS.iter().map(|option| option.name).chain([CONFIG]) {
        let value = match from_flags(matches, name) {
            Some(text) => Some(RawValue { text, source: Source::Flag }),
            None => from_environment(environment, name).unwrap_or_else(|error| {
                errors.push(error);
                None
            }),
        };
        match value {
            Some(value) if name == CONFIG => config = Some(value),
            Some(value) => drop(raw.values.insert(name, value)),
            None => {}
        }
    }
    raw.warnings.extend(environment.iter().filter_map(|(key, _)| misspelt_variable(key.to_str()?)));
    if let Some(config) = config {
        let path = Path::new(&config.text);
        match read_file(path) {
            Err(error) => errors.push(format!("{}: {error}", config.place(CONFIG))),
            Ok(text) => {
                let (values, mut wrong) = from_file(path, &text);
                errors.append(&mut wrong);
                for (name, value) in values {
                    raw.values.entry(name).or_insert(value);
                }
            }
        }
    }
    if errors.is_empty() {
        Ok(raw)
    } else {
        Err(errors)
    }
}

/// Flags may stand before a subcommand and behind it; the ones behind it are nearer.
fn from_flags(matches: &ArgMatches, name: &str) -> Option<String> {
    let given = |matches: &ArgMatches| -> Option<String> {
        let values = matches.try_get_many::<String>(name).ok().flatten()?;
        Some(values.map(String::as_str).collect::<Vec<_>>().join(","))
    };
    let behind = matches.subcommand().and_then(|(_, behind)| given(behind));
    behind.or_else(|| given(matches))
}

fn from_environment(environment: &[(OsString, OsString)], name: &str) -> Result<Option<RawValue>, String> {
    let variable = variable(name);
    let Some((_, value)) = environment.iter().find(|(key, _)| *key == *variable) else {
        return Ok(None);
    };
    match value.to_str() {
        Some("") => Ok(None),
        Some(text) => Ok(Some(RawValue { text: text.into(), source: Source::Environment })),
        None => Err(format!("{variable}: the value is not UTF-8")),
    }
}

/// Other programs may have variables of this prefix, so only what looks like a slip is worth a word.
fn misspelt_variable(key: &str) -> Option<String> {
    let rest = key.strip_prefix(PREFIX)?;
    let names = || OPTIONS.iter().map(|option| option.name).chain([CONFIG]);
    let as_name = rest.to_ascii_lowercase().replace('_', "-");
    // The client's own; `HUBBUB_SERVER` names the hub that it connects to.
    if names().any(|name| variable(name) == key) || ["server", "timeout", "json"].contains(&&*as_name) {
        return None;
    }
    let meant = nearest(&as_name, names())?;
    Some(format!("{key} is not read; is {} meant?", variable(meant)))
}

fn read_file(path: &Path) -> Result<String, String> {
    let told = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(told)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("{} is over 1MiB, so it is no configuration of a hub", path.display()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let (line, column) = position(&valid, valid.len());
        format!("{}:{line}:{column}: the file is not UTF-8 from here on", path.display())
    })
}

/// The options in a file's text, and what is wrong with it.
fn from_file(path: &Path, text: &str) -> (BTreeMap<&'static str, RawValue>, Vec<String>) {
    let at = |span: Range<usize>| {
        let (line, column) = position(text, span.start);
        Source::File { path: path.into(), line, column }
    };
    let (mut values, mut errors) = (BTreeMap::new(), Vec::new());
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let place = at(error.span().unwrap_or_default());
            // The parser speaks over several lines at times; an error is one.
            let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            return (values, vec![format!("{place}: {message}")]);
        }
    };
    for (key, value) in table.iter() {
        let Some(option) = OPTIONS.iter().find(|option| *option.name == **key.get_ref()) else {
            errors.push(format!("{}: {}", at(key.span()), unknown_key(key.get_ref(), value.get_ref())));
            continue;
        };
        let text = match value.get_ref() {
            DeValue::Array(items) if option.many => {
                let items: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
                items.map(|items| items.join(","))
            }
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Boolean(value) => Some(value.to_string()),
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Some(number.to_string()),
                Err(_) => Some(number.to_string()),
            },
            _ => None,
        };
        let source = at(value.span());
        match text {
            Some(text) => drop(values.insert(option.name, RawValue { text, source })),
            None => {
                let right = if option.many {
                    "a string, or an array of strings"
                } else {
                    "a string, a whole number, true or false"
                };
                errors.push(format!("{source}: {}: {right}", option.name));
            }
        }
    }
    (values, errors)
}

fn unknown_key(key: &str, value: &DeValue<'_>) -> String {
    let shown = hubbub_shared::names::quote(key);
    match nearest(key, OPTIONS.iter().map(|option| option.name)) {
        Some(meant) => format!("{shown} is no option; is {meant} meant?"),
        None if matches!(value, DeValue::Table(_)) => {
            format!("{shown} is no option, and the file has no sections: options stand as `key = value`")
        }
        None => format!("{shown} is no option; `hubbubd --help` lists them"),
    }
}

/// Line and column of a byte, both from 1, the column in characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(text: &str) -> (BTreeMap<&'static str, RawValue>, Vec<String>) {
        from_file(Path::new("hub.toml"), text)
    }

    #[test]
    fn a_file_gives_texts_with_their_places() {
        let (values, errors) = file(
            "# a hub\nname = 'alpha'\n  max-queue = 8_388_608 # bytes\ninsecure=true\nmax-line = 0x10000\n",
        );
        assert!(errors.is_empty(), "{errors:?}");
        let got: Vec<String> =
            values.iter().map(|(name, value)| format!("{name} {} {}", value.text, value.source)).collect();
        assert_eq!(
            got,
            [
                "insecure true hub.toml:4:10",
                "max-line 65536 hub.toml:5:12",
                "max-queue 8388608 hub.toml:3:15",
                "name alpha hub.toml:2:8",
            ]
        );
    }

    #[test]
    fn a_files_mistakes_are_told_with_line_and_column() {
        let cases = [
            ("ok = 1\n", "hub.toml:1:1: \"ok\" is no option; `hubbubd --help` lists them"),
            ("\n  max_queue = 1\n", "hub.toml:2:3: \"max_queue\" is no option; is max-queue meant?"),
            ("[limits]\nx = 1\n", "hub.toml:1:2: \"limits\" is no option, and the file has no sections"),
            ("name = ['a']\n", "hub.toml:1:8: name: a string, a whole number, true or false"),
            ("join = ['a', 7]\n", "hub.toml:1:8: join: a string, or an array of strings"),
            ("threads = 1.5\n", "hub.toml:1:11: threads: a string"),
            ("name = \"ø\" x\n", "hub.toml:1:12: "),
            ("threads = 1\nthreads = 2\n", "hub.toml:2:1: "),
            ("threads 1\n", "hub.toml:1:"),
            ("config = 'other.toml'\n", "hub.toml:1:1: \"config\" is no option"),
        ];
        for (text, start) in cases {
            let (_, errors) = file(text);
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert!(errors[0].starts_with(start), "{text}: {errors:?}");
            assert!(!errors[0].contains('\n') && errors[0].len() > start.len() - 1, "{errors:?}");
        }
        let (_, errors) = file("a = 1\nthreads = []\nb = 2\n");
        assert_eq!(errors.len(), 3, "all are told at once: {errors:?}");
    }

    #[test]
    fn a_file_that_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent.toml");
        assert!(read_file(&absent).unwrap_err().contains("absent.toml: No such file"));
        let latin = dir.path().join("latin.toml");
        std::fs::write(&latin, b"# ok\nname = 'h\xf6rn'\n").unwrap();
        assert!(read_file(&latin)
            .unwrap_err()
            .ends_with("latin.toml:2:10: the file is not UTF-8 from here on"));
        let huge = dir.path().join("huge.toml");
        std::fs::write(&huge, vec![b'#'; MAX_FILE as usize + 1]).unwrap();
        assert!(read_file(&huge).unwrap_err().contains("over 1MiB"));
        assert!(read_file(dir.path()).is_err());
    }

    #[test]
    fn slips_in_variables_are_told() {
        let told = misspelt_variable("HUBBUB_MAX_QUEU").unwrap();
        assert_eq!(told, "HUBBUB_MAX_QUEU is not read; is HUBBUB_MAX_QUEUE meant?");
        for key in
            ["HUBBUB_MAX_QUEUE", "HUBBUB_CONFIG", "HUBBUB_SERVER", "HUBBUB_COLOR_OF_SKY", "HOME", "HUBBUB"]
        {
            assert_eq!(misspelt_variable(key), None, "{key}");
        }
    }
}
