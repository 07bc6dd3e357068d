//! What holds for any name, tested with texts by chance, with bits of names put together by chance
//! and with the longest names: the canonical form of a canonical form is itself, and is found in time.

use super::cases::{ORGANISATIONS, PEOPLE};
use super::{canonical, Kind};
use proptest::prelude::*;

/// Bits that names are made of, put together in every way.
fn bits() -> impl Strategy<Value = String> {
    let bit = prop_oneof![
        prop::sample::select(PEOPLE).prop_map(|(given, _)| given.to_owned()),
        prop::sample::select(ORGANISATIONS).prop_map(|(given, _)| given.to_owned()),
        "[a-zA-Z]{1,3}\\.?",
        prop::sample::select(
            &[
                "Dr.",
                "dr",
                "Mr.",
                "M.",
                "Sr.",
                "jr",
                "III",
                "iv",
                "Ph.D.",
                "ma",
                "MD",
                "h.c.",
                "med.",
                "von",
                "DE",
                "la",
                "al-",
                "d'",
                "O'",
                "Mc",
                "mac",
                "y",
                "e",
                "'t",
                "&",
                "C&A",
                "Lord",
                "(UK)",
                "(FH)",
                "AB",
                "SA",
                "Oy",
                "the",
                "v.",
                "PhD",
                "x-KLM",
                "L.L.BEAN",
                "University",
                "Nations",
                "S/A",
                "and",
                "Co.",
                "KG",
                "GmbH",
                "S.A.",
                "a.s.",
                "Ltd",
                "ООО",
                "株式会社",
                "(株)",
                "先生",
                "씨",
                ",",
                ", ",
                "-",
                ".",
                "\"",
                "(",
                ")",
                "The",
                "İ",
                "ı",
                "ß",
                "ẞ",
                "ŉ",
                "ǆ",
                "ﷺ",
                "1st",
            ][..]
        )
        .prop_map(str::to_owned),
        "\\PC{1,4}",
    ];
    prop::collection::vec((bit, prop::sample::select(&["", " ", ", ", "-", "."][..])), 1..8)
        .prop_map(|bits| bits.into_iter().flat_map(|(bit, gap)| [bit, gap.to_owned()]).collect())
}

fn kinds() -> impl Strategy<Value = Option<Kind>> {
    prop_oneof![Just(None), Just(Some(Kind::Person)), Just(Some(Kind::Organisation))]
}

fn is_settled(name: &str, kind: Option<Kind>) -> Result<(), TestCaseError> {
    if let Some(once) = canonical(name, kind) {
        prop_assert!(!once.0.is_empty());
        prop_assert_eq!(canonical(&once.0, kind), Some(once.clone()), "{:?} became {:?}", name, once);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_canonical_form_of_any_text_is_itself(name in any::<String>(), kind in kinds()) {
        is_settled(&name, kind)?;
    }

    #[test]
    fn the_canonical_form_of_whatever_names_are_made_of_is_itself(name in bits(), kind in kinds()) {
        is_settled(&name, kind)?;
    }
}

#[test]
fn the_longest_names_are_settled_too_and_in_time() -> Result<(), TestCaseError> {
    let started = std::time::Instant::now();
    let pieces = [
        "a ",
        "Dr. ",
        "a.",
        "a'",
        "jr ",
        ", ",
        "Co. ",
        "& Co ",
        "(株)",
        "İ",
        "de la ",
        "x-",
        "'",
        "Mr.Dr.",
        "様",
        "先生",
        " 様",
        "씨 ",
        ", The",
        ", Dr",
        ", Ph.D.",
        " MBA",
        "株式会社",
        "ООО ",
        "\"",
        "\"a",
        "The ",
        "-",
        ". ",
        "山田, ",
        "&",
        "+ ",
        " Inc.",
        ", Inc",
        "Mr. and ",
        "von ",
        "III ",
        ";",
        "Bank, The, ",
        "SA La ",
        "AB ",
        " Ltd (UK)",
        "(UK) ",
        "v. ",
        "Mr. & ",
        "x-KLM-",
        "A.",
        "&a",
    ];
    for piece in pieces {
        for before in ["", "Xy", "山田", "Anna Smith", "ACME"] {
            let whole = before.chars().chain(piece.chars().cycle());
            let name: String = whole.take(super::MAX_NAME_CHARS).collect();
            for kind in [None, Some(Kind::Person), Some(Kind::Organisation)] {
                is_settled(&name, kind)?;
            }
        }
    }
    // Some milliseconds each without optimisation; what this guards against is minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(30), "{:?}", started.elapsed());
    Ok(())
}
