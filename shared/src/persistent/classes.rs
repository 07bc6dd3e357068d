//! The class names of the old Python clients, and the names that they stand for. Pure text: nothing is
//! ever looked up by such a name, and what is no class of a request is refused.

use super::MAX_TITLE_BYTES;

/// Words that a class writes in capitals.
const ACRONYMS: &[&str] = &["uuid"];

/// The modules that the old clients' requests are in, as far as `requests`.
pub const MODULES: &str = "pc_protocol.m";

/// The class of a request, `M.[m|p]requests.XRequest`, in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestClass<'a> {
    /// Everything before `requests`, the letter included: `pc_protocol.m`.
    pub modules: &'a str,
    /// The `X`.
    pub stem: &'a str,
}

impl<'a> RequestClass<'a> {
    /// Takes a class apart; `None` where it is not the class of a request.
    pub fn parse(class: &'a str) -> Option<Self> {
        if class.len() > MAX_TITLE_BYTES || !class.split('.').all(is_identifier) {
            return None;
        }
        let (modules, name) = class.rsplit_once('.')?;
        let stem = name.strip_suffix("Request").filter(|stem| !stem.is_empty())?;
        let modules = modules.strip_suffix("requests").filter(|modules| is_prefix(modules))?;
        Some(RequestClass { modules, stem })
    }

    /// The request's name without `-req`: `BigThing` is `big-thing`, `UUID` is `uuid`.
    pub fn name(&self) -> String {
        name_of(self.stem)
    }

    /// The class of the answer.
    pub fn answer(&self) -> String {
        answer_class(self.modules, self.stem)
    }
}

/// Whether something can stand before `requests`: modules, and perhaps a letter.
pub fn is_prefix(modules: &str) -> bool {
    let (before, letter) = modules.rsplit_once('.').unwrap_or(("", modules));
    let modules_are_good = !modules.contains('.') || before.split('.').all(is_identifier);
    matches!(letter, "" | "m" | "p") && modules_are_good
}

/// The class of a request.
pub fn request_class(modules: &str, stem: &str) -> String {
    format!("{modules}requests.{stem}Request")
}

/// The class of an answer.
pub fn answer_class(modules: &str, stem: &str) -> String {
    format!("{modules}responses.{stem}Response")
}

/// The class of the data of a request or an answer, whose class is given.
pub fn data_class(class: &str) -> String {
    let name = class.rsplit('.').next().unwrap_or(class);
    let stem = name.strip_suffix("Request").or_else(|| name.strip_suffix("Response")).unwrap_or(name);
    format!("{class}.{stem}Data")
}

/// The name that a stem stands for: words end where the case changes, and acronyms are one word.
pub fn name_of(stem: &str) -> String {
    let bytes = stem.as_bytes();
    let mut name = String::with_capacity(stem.len() + 8);
    for (at, ch) in stem.chars().enumerate() {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + 1);
        let begins = ch.is_ascii_uppercase()
            && match before {
                None | Some(b'_') => false,
                Some(b'A'..=b'Z') => after.is_some_and(u8::is_ascii_lowercase),
                Some(_) => true,
            };
        if begins {
            name.push('-');
        }
        name.push(ch.to_ascii_lowercase());
    }
    name
}

/// The stem that stands for a name; `None` where no stem does (`a-b` would be `AB`, and that is `ab`).
pub fn stem_of(name: &str) -> Option<String> {
    let stem = |acronyms: &[&str]| {
        let mut stem = String::with_capacity(name.len());
        for word in name.split('-') {
            if acronyms.contains(&word) {
                stem.push_str(&word.to_ascii_uppercase());
                continue;
            }
            let mut chars = word.chars();
            stem.extend(chars.next().map(|first| first.to_ascii_uppercase()));
            stem.push_str(chars.as_str());
        }
        Some(stem).filter(|stem| is_identifier(stem) && name_of(stem) == name)
    };
    stem(ACRONYMS).or_else(|| stem(&[]))
}

/// What Python calls an identifier, in ASCII.
fn is_identifier(word: &str) -> bool {
    let starts = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    word.as_bytes().first().is_some_and(starts)
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_class_gives_the_name() {
        for (class, name, answer) in [
            ("pc_protocol.mrequests.OpenRequest", "open", "pc_protocol.mresponses.OpenResponse"),
            ("pc_protocol.prequests.UUIDRequest", "uuid", "pc_protocol.presponses.UUIDResponse"),
            ("a.b.requests.NormalizeRequest", "normalize", "a.b.responses.NormalizeResponse"),
            ("mrequests.BigThingRequest", "big-thing", "mresponses.BigThingResponse"),
            ("requests.HTTPServer2XRequest", "http-server2-x", "responses.HTTPServer2XResponse"),
            ("requests.snake_Case_BRequest", "snake_case_b", "responses.snake_Case_BResponse"),
        ] {
            let parsed = RequestClass::parse(class).expect(class);
            assert_eq!((parsed.name().as_str(), parsed.answer().as_str()), (name, answer));
        }
    }

    #[test]
    fn a_name_gives_the_class_where_there_is_one() {
        for (name, stem) in
            [("uuid", "UUID"), ("ping", "Ping"), ("big-thing", "BigThing"), ("x-uuid", "XUuid"), ("a", "A")]
        {
            assert_eq!(stem_of(name).as_deref(), Some(stem));
        }
        for name in ["", "a-b", "-", "x--y", "Big", "team.build", "2fa", "big-2fa", "ü", "a b", "-x", "x-"] {
            assert_eq!(stem_of(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_no_class_of_a_request_is_none() {
        let long = format!("{}.requests.XRequest", "m".repeat(MAX_TITLE_BYTES));
        for class in [
            "",
            ".",
            "OpenRequest",
            "pc_protocol.mrequests.Open",
            "pc_protocol.mrequests.Request",
            "pc_protocol.mresponses.OpenResponse",
            "pc_protocol.xrequests.OpenRequest",
            "pc_protocol..mrequests.OpenRequest",
            ".mrequests.OpenRequest",
            "pc protocol.mrequests.OpenRequest",
            "pc_protocol.mrequests.Open\"Request",
            "pc_protocol.mrequests.Öffnungs.Request",
            "os.system",
            "builtins.eval",
            &long,
        ] {
            assert_eq!(RequestClass::parse(class), None, "{class}");
        }
    }

    #[test]
    fn data_has_a_class_within_that_of_its_message() {
        assert_eq!(
            data_class("pc_protocol.mresponses.OpenResponse"),
            "pc_protocol.mresponses.OpenResponse.OpenData"
        );
        assert_eq!(data_class("requests.UUIDRequest"), "requests.UUIDRequest.UUIDData");
        assert_eq!(
            data_class("pc_protocol.error.ErrorResponse"),
            "pc_protocol.error.ErrorResponse.ErrorData"
        );
    }

    proptest! {
        /// Names of whole words have a class, and that class has their name.
        #[test]
        fn names_of_words_come_back(words in prop::collection::vec("[a-z][a-z0-9]{1,7}|uuid", 1..5)) {
            let name = words.join("-");
            let stem = stem_of(&name).expect("whole words have a class");
            let class = request_class(MODULES, &stem);
            let parsed = RequestClass::parse(&class).expect("and that is one of a request");
            prop_assert_eq!(parsed.name(), name);
            prop_assert_eq!(parsed.answer(), answer_class(MODULES, &stem));
        }

        /// Whatever a stem is, its name is the name of the stem that is written for it.
        #[test]
        fn stems_come_back_by_their_name(stem in "[A-Z][A-Za-z0-9_]{0,20}") {
            let name = name_of(&stem);
            if let Some(again) = stem_of(&name) {
                prop_assert_eq!(name_of(&again), name);
            }
        }

        /// What is taken for a class is that class, part by part; anything else is none.
        #[test]
        fn hostile_classes_harm_nobody(class in r#"[a-zR.m"\\\x00ü_]{0,12}(\.[mpx]?requests)?\.?[A-Za-z"ß]{0,8}(Request)?"#) {
            if let Some(parsed) = RequestClass::parse(&class) {
                prop_assert_eq!(request_class(parsed.modules, parsed.stem), class.clone());
                prop_assert!(class.is_ascii() && !class.contains(['"', '\\', ' ']));
            }
            let _ = (name_of(&class), stem_of(&class), data_class(&class));
        }
    }
}
