//! Small words inside names of people, and what stands before an apostrophe or after "Mac": the
//! tables that `casing` and `person` look at.

/// Lower case inside a name.
#[rustfmt::skip] // a list, not a column
pub(super) const PARTICLES: &[&str] = &[
    "de", "del", "della", "delle", "dello", "dei", "degli", "dalla", "di", "da", "das", "do", "dos", "du",
    "des", "van", "von", "vom", "zu", "zum", "zur", "der", "den", "dem", "ten", "ter", "te", "'t", "af",
    "av", "bin", "ibn", "bint", "binti", "al", "el", "ap", "ab", "ferch", "und", "y", "et", "of", "the",
    "och", "og", "and", "oğlu", "kızı", "фон", "ван", "де", "дер", "ди", "да", "ла", "дю", "ибн", "бин", "оглы",
    "кызы", "уулу", "και", "του", "της", "των", "ντε", "φον", "βαν",
];

/// Particles that are also given names: with a capital where they begin a name that is set anew.
#[rustfmt::skip] // a list, not a column
pub(super) const GIVEN_NAMES: &[&str] =
    &["van", "al", "del", "della", "el", "do", "di", "ab", "te", "den", "the", "et", "and", "да", "ди", "ван", "ла"];

/// Particles that stand between two names, or between two titles, and begin none: `Al and Jane Doe`.
#[rustfmt::skip] // a list, not a column
pub(super) const JOINS: &[&str] = &["and", "und", "et", "y", "og", "och", "και"];

/// How particles are shortened, in small letters.
pub(super) const SHORTENED: &[(&str, &str)] = &[("v.", "von")];

/// Lower case only after another particle: `de la Cruz`, but `Charles Le Brun`.
#[rustfmt::skip] // a list, not a column
pub(super) const AFTER_PARTICLE: &[&str] = &["la", "las", "los", "lo", "le", "les", "het", "l", "лос", "ля"];

/// Lower case only before another particle: `auf der Maur`, but `An Li`.
#[rustfmt::skip] // a list, not a column
pub(super) const BEFORE_PARTICLE: &[&str] =
    &["in", "an", "auf", "aus", "op", "uit", "bij", "aan", "im", "am", "unter"];

/// Segments between hyphens that stay lower: `Rue-de-la-Paix`, `Puig-i-Cadafalch`, `Abd-al-Aziz`.
#[rustfmt::skip] // a list, not a column
pub(super) const BETWEEN_HYPHENS: &[&str] = &[
    "de", "du", "des", "la", "le", "les", "sur", "sous", "en", "al", "el", "ul", "ud", "und", "i", "y", "e",
    "на",
];

/// What stands before an apostrophe and is written with a capital of its own after it.
#[rustfmt::skip] // a list, not a column
pub(super) const ELIDED: &[&str] = &["dell", "dall", "degl", "dagl", "all", "sant", "quell"];

/// Of these, what is lower inside a name.
#[rustfmt::skip] // a list, not a column
pub(super) const ELIDED_LOWER: &[&str] = &["d", "dell", "dall", "degl", "dagl"];

/// What follows "Mac" where that is a prefix: `MacDonald`, but `Machado` and `Macron`.
#[rustfmt::skip] // a list, not a column
pub(super) const AFTER_MAC: &[&str] = &[
    "adam", "alister", "allister", "alpine", "andrew", "arthur", "askill", "aulay", "bain", "bean", "beth",
    "bride", "cabe", "callum", "cann", "carthy", "caskill", "clellan", "coll", "cormack", "cormick", "coy",
    "crae", "crimmon", "culloch", "dermott", "diarmid", "donald", "donell", "donnell", "dougal", "dougall",
    "dowell", "duff", "eachern", "ewan", "ewen", "fadden", "fadyen", "farlane", "farland", "gill",
    "gillivray", "ginnis", "gowan", "graw", "gregor", "guire", "hugh", "ilroy", "innes", "intosh", "intyre",
    "isaac", "iver", "ivor", "kay", "kinlay", "kinley", "kinnon", "lachlan", "laine", "laren", "laughlin",
    "lay", "lean", "lellan", "lennan", "leod", "mahon", "manus", "master", "millan", "murray", "nab",
    "naughton", "nally", "namara", "naught", "neice", "neil", "neill", "nicol", "nulty", "phail", "phee",
    "pherson", "quarie", "queen", "rae", "ritchie", "rory", "shane", "sween", "sweeney", "taggart",
    "tavish", "vicar", "william",
];
