//! What stands before and after names of people and is no part of them: honorifics, titles, degrees,
//! orders; and the generational suffixes, which are. Keys are in lower case and without full stops,
//! the words of one entry with a space between them.

/// When a word before a name is an honorific.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// With a full stop: `Fr. Braun`, but `Fr Braun` may be anybody.
    Dotted,
    /// With a full stop, or when two words at least follow: `Don Diego Vega`, but `Don Johnson`.
    BeforeTwo,
    /// With a full stop, or in capitals where the name is not: `DI Huber`, but `Di Stefano`.
    Capitals,
    /// With a full stop, or with capitals and small letters: `MSc Doe`, but `MSC Cruises`.
    Degree,
    /// In capitals or small letters after another title: `Dr. med. Braun`.
    AfterTitle,
    /// In small letters after another title: `Dr. h.c. Braun`, but `Dr. H.C. Braun`.
    LowerAfterTitle,
}

use When::{AfterTitle, Always, BeforeTwo, Capitals, Degree, Dotted, LowerAfterTitle};

/// The most words of one entry.
pub(super) const MOST_WORDS: usize = 3;

/// Before a name.
#[rustfmt::skip] // a list, not a column
const BEFORE: &[(When, &[&str])] = &[
    (
        Always,
        &[
            // English
            "mr", "mrs", "ms", "miss", "mx", "messrs", "mister", "missus", "dr", "drs", "doctor", "prof",
            "professor", "sir", "dame", "lord", "lady", "madam", "rev", "revd", "reverend", "the rev",
            "the reverend", "the hon", "the honourable", "the honorable", "honourable", "honorable",
            "rt hon", "the rt hon", "right honourable", "the right honourable", "his excellency",
            "her excellency", "his holiness", "his majesty", "her majesty", "his honour", "her honour",
            "rabbi", "pastor", "monsignor", "msgr", "capt", "captain", "sgt", "sergeant", "lt",
            "lieutenant", "lt col", "lt gen", "maj gen", "cpl", "cmdr", "commander", "colonel",
            "ambassador", "senator", "governor", "president", "chancellor", "assoc prof", "asst prof",
            "emeritus", "esquire", "1st lt", "2nd lt",
            // Degrees that are nobody's name
            "phd", "ph d", "dphil", "d phil", "mphil", "psyd", "pharmd",
            // German
            "herr", "herrn", "frau", "hr", "frl", "fräulein", "eheleute", "doktor", "dres", "univ-prof",
            "univ prof", "ao univ-prof", "hon-prof", "jun-prof", "prof em", "priv-doz", "privatdozent",
            "dkfm", "bakk", "kommerzialrat", "komm-rat", "hofrat", "magister", "freiherr", "freifrau",
            "rain", "dr habil", "(fh)", "(univ)", "(uni)", "(tu)", "(th)", "(ba)", "(dh)", "(eth)", "(htl)", "(hons)",
            // French
            "monsieur", "madame", "mademoiselle", "messieurs", "mesdames", "mme", "mmes", "mlle", "mlles",
            "maître", "docteur", "professeur", "abbé", "mgr",
            // Spanish, Portuguese, Catalan
            "sra", "srta", "srs", "sras", "señor", "señora", "señorita", "senhor", "senhora", "senhorita",
            "doña", "dña", "dra", "lic", "licda", "profa", "profª", "exmo", "exma", "ilmo", "ilma", "excmo",
            "excma", "senyor", "senyora", "arq", "sr",
            // Italian
            "sig", "sigra", "signa", "sigg", "signor", "signore", "signora", "signorina", "dott", "dottssa",
            "dottore", "dottoressa", "profssa", "professore", "professoressa", "avv", "avvocato", "geom",
            "rag",
            // Dutch, Nordic
            "dhr", "mevr", "mevrouw", "mw", "mej", "meneer", "ir", "fru", "frøken", "fröken", "herra",
            "rouva", "dhrn",
            // Polish, Czech, Slovak, Hungarian, Romanian, Croatian
            "pani", "paní", "inż", "mgr inż", "dr hab", "dr inż", "lek", "mudr", "judr", "phdr", "rndr",
            "mvdr", "pharmdr", "thdr", "paeddr", "bc", "bca", "mga", "gosp", "gospodin", "gospođa", "gđa",
            "dna", "dl", "domnul", "doamna", "özv",
            // Russian, Ukrainian, Bulgarian, Serbian
            "г-н", "г-жа", "господин", "госпожа", "гражданин", "товарищ", "д-р", "доктор", "проф",
            "профессор", "професор", "пан", "пані", "академик", "др",
            // Greek, Turkish
            "κος", "κα", "κύριος", "κυρία", "δρ", "καθ", "sayın", "bayan", "yrd doç", "doç",
            // Arabic, Persian, Hebrew, Urdu
            "السيد", "السيدة", "الدكتور", "الدكتورة", "الأستاذ", "الأستاذة", "دكتور", "دكتورة", "المهندس",
            "المهندسة", "آقای", "خانم", "מר", "גב'", "גברת", "ד\"ר", "פרופ'",
            // South and South-East Asia
            "shri", "shrimati", "smt", "kumari", "encik", "puan", "dato'", "datuk", "datin", "tan sri",
            "khun", "นาย", "นาง", "นางสาว", "ดร", "श्री", "श्रीमती", "डॉ",
        ],
    ),
    (
        Dotted,
        &[
            "hon", "fr", "gen", "col", "maj", "adm", "gov", "sen", "rep", "pr", "me", "st prof", "on",
            "arch", "cav", "doc", "κ", "г", "د", "أ", "م", "pd", "akad", "eng", "tit", "av", "amb",
            "dir", "assoc",
        ],
    ),
    (
        BeforeTwo,
        &[
            "don", "dom", "dona", "ing", "mag", "pan", "bay", "sri", "father", "sister", "brother", "imam",
            "sheikh", "sheik", "shaikh", "haji", "hajji", "tun", "ông", "bà", "الشيخ", "pandit", "general",
            "major", "admiral", "mother", "bishop", "cardinal", "count", "baron", "baroness", "graf",
            "gräfin", "uncle", "aunt",
        ],
    ),
    (Degree, &["msc", "m sc", "bsc", "b sc", "llm", "ll m", "llb", "ll b", "lld"]),
    (Capitals, &["mba", "di", "dipl", "ra", "stb", "wp", "pd", "di (fh)", "mag (fh)"]),
    (
        AfterTitle,
        &[
            "med", "rer", "nat", "pol", "phil", "jur", "iur", "oec", "techn", "mont", "habil", "mult", "ing",
            "agr", "vet", "dent", "theol", "soc", "math", "publ", "sc", "dr", "univ", "hum", "biol", "päd",
            "psych", "nauk",
        ],
    ),
    (LowerAfterTitle, &["hc", "h c", "em", "ao", "fh"]),
];

/// When words are an honorific, if they can be one: their key is as `key` makes it.
pub(super) fn before(key: &str) -> impl Iterator<Item = When> + '_ {
    // All that is made with these is a title: Dr.-Ing., Dipl.-Kfm., Prof.-Ing.
    let made =
        !key.contains(' ') && ["dr-", "dipl-", "mag-", "prof-"].iter().any(|start| key.starts_with(start));
    let listed = BEFORE.iter().filter(move |(_, keys)| keys.contains(&key)).map(|(when, _)| *when);
    made.then_some(Always).into_iter().chain(listed)
}

/// Whether words before a name can be nothing but an honorific.
pub(super) fn is_always(key: &str) -> bool {
    before(key).any(|when| when == Always)
}

/// After a name, whatever the capitals.
#[rustfmt::skip] // a list, not a column
const AFTER: &[&str] = &[
    "phd", "ph d", "dphil", "d phil", "mphil", "msc", "bsc", "m sc", "b sc", "mba", "emba", "m b a", "llm",
    "ll m", "llb", "ll b", "lld", "bcom", "mcom", "psyd", "pharmd", "pharm d",
    "edd", "dds", "dvm", "dmd", "esq", "esquire", "cpa", "cfa", "cissp", "pmp", "obe", "mbe", "cbe", "kbe",
    "dbe", "gcb", "kcb", "kcmg", "cmg", "frs", "frcp", "frcs", "facs", "facp", "faia", "aia", "frsa",
    "freng", "mrcp", "csc", "drsc", "dsc", "ret", "bed", "bba", "mpa", "mph", "mfa", "bfa", "msw", "lcsw",
    "fca", "acca", "cma", "cfp", "dba", "rgn", "bey", "hanım", "mba(eng)", "msc(eng)", "ba(hons)",
    "bsc(hons)", "(mba)", "(phd)", "(msc)", "(ret)", "jp mp", "fh",
];

/// After a name with full stops, in capitals where the name is not or with some inside (`MEng`), or after a
/// comma.
#[rustfmt::skip] // a list, not a column
const AFTER_CAPITALS: &[&str] = &[
    "md", "m d", "do", "jd", "j d", "ba", "ma", "bs", "ms", "b a", "m a", "bl", "rn", "np", "pe", "pa", "pt",
    "cp", "qc", "kc", "mp", "mep", "om", "ch", "dl", "dis", "cse", "sj", "op", "osb", "ofm", "csv", "rph",
    "cha", "mas", "bds", "bsn", "msn", "crna", "mbbs", "frc", "vc", "dso", "dfc", "usn", "usaf", "usmc", "usa", "ing", "mag", "dr",
    "prof", "bakk", "am", "ao", "ac", "od", "dc", "dpt", "dnp", "mc", "meng", "beng", "ceng",
];

/// Whether words are a suffix that goes. `sure` tells that a comma or their writing says so.
pub(super) fn is_after(key: &str, sure: bool) -> bool {
    AFTER.contains(&key) || sure && AFTER_CAPITALS.contains(&key)
}

/// A generational suffix.
pub(super) struct Generation {
    /// As it is written.
    pub canonical: &'static str,
    /// Words of the name that are before it, at least.
    pub after: usize,
    /// Only with a full stop, or in capitals where the name is not: `Henry VI`, but `Lan Vi`.
    pub capitals: bool,
}

/// What generation a word stands for.
pub(super) fn generation(key: &str) -> Option<Generation> {
    let (canonical, after, capitals) = match key {
        "jr" | "jnr" => ("Jr", 1, false),
        "sr" | "snr" => ("Sr", 1, false),
        // Names, too: Ma Jun, Amartya Sen.
        "jun" => ("Jr", 1, true),
        "sen" => ("Sr", 1, true),
        "junior" | "júnior" => ("Jr", 2, false),
        "senior" => ("Sr", 2, false),
        "ii" | "2nd" => ("II", 1, false),
        "iii" | "3rd" => ("III", 1, false),
        "iv" | "4th" => ("IV", 1, false),
        "5th" => ("V", 1, false),
        "vi" => ("VI", 1, true),
        "vii" => ("VII", 1, false),
        "viii" => ("VIII", 1, false),
        "ix" => ("IX", 1, true),
        "xii" => ("XII", 1, false),
        "xiii" => ("XIII", 1, false),
        "xiv" => ("XIV", 1, false),
        "xv" => ("XV", 1, true),
        "xvi" => ("XVI", 1, false),
        _ => return None,
    };
    Some(Generation { canonical, after, capitals })
}

/// What is written right behind a name, without a space, in East Asia.
#[rustfmt::skip] // a list, not a column
pub(super) const ATTACHED: &[&str] = &[
    "先生", "女士", "小姐", "太太", "博士", "教授", "老师", "老師", "同志", "さん", "さま", "様", "氏", "殿", "くん", "ちゃん", "선생님",
    "선생", "박사님", "박사", "교수님", "교수", "님", "씨",
];
