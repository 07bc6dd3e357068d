//! Words by which organisations are known, and how they are written: acronyms, words that only
//! organisations have in their names, small words.

/// Read letter by letter though they have vowels, or written in a way of their own.
pub(super) const ACRONYMS: &[&str] = &[
    "ABB", "ABBA", "ABC", "ADAC", "ADT", "AEG", "AIG", "AMD", "AOK", "AOL", "APA", "ARD", "ASML", "ASUS",
    "AT&T", "AWS", "AXA", "BASF", "BBC", "BBVA", "BMO", "BMW", "BNP", "BP", "BYD", "CBS", "CERN", "CIA",
    "CIBC", "CNN", "CVS", "DEC", "DHL", "EADS", "EBRD", "ECB", "E.ON", "EDF", "EMI", "ENI", "ERGO", "ESA",
    "ESPN", "ETH", "EU", "FAO", "FBI", "FIFA", "GE", "GEA", "GM", "HBO", "HP", "HSBC", "HTC", "IAEA", "IBM",
    "ICBC", "IEEE", "IHK", "IKEA", "ILO", "IMF", "ING", "ISO", "ITT", "ITV", "KFC", "KIA", "KLM", "KPMG",
    "LG", "LVMH", "MAN", "MBDA", "MIT", "NASA", "NATO", "NBC", "NEC", "NHS", "NTT", "NVIDIA", "OECD", "OMV",
    "ÖAMTC", "ÖBB", "ORF", "OPEC", "PNC", "QVC", "RAI", "RATP", "RBS", "REWE", "RWE", "SAIC", "SAP", "SAS",
    "SEAT", "SEB", "SKF", "SNCF", "SOCAR", "TCL", "TSMC", "TUI", "TUM", "TÜV", "UBS", "UCLA", "UEFA", "UK",
    "UN", "UNESCO", "UNICEF", "UPS", "US", "USA", "USAA", "VISA", "VTB", "VW", "WHO", "WWF", "YMCA", "ZDF",
    "ZF", "3M",
];

/// Acronyms that also are words or names: only in capitals, and not to tell an organisation by.
pub(super) const ALSO_WORDS: &[&str] =
    &["MAN", "SEAT", "VISA", "WHO", "US", "ING", "SAS", "ERGO", "KIA", "ENI", "GE", "APA"];

/// Words of which some people are called: behind a title they are a name.
pub(super) const ALSO_NAMES: &[&str] =
    &["bank", "banque", "banco", "banca", "банк", "holding", "trust", "union", "council"];

/// Words before a name that are none themselves.
pub(super) const ARTICLES: &[&str] = &["the", "der", "die", "das", "la", "le", "les"];

/// What stands behind the last full stop of an address: `X.com`, but `J.Crew`.
pub(super) const DOMAINS: &[&str] = &["com", "org", "net", "io"];

/// Words that are in names of organisations, and hardly ever in names of people.
pub(super) const WORDS: &[&str] = &[
    "university",
    "universität",
    "université",
    "universidad",
    "università",
    "universidade",
    "uniwersytet",
    "universiteit",
    "college",
    "hochschule",
    "academy",
    "akademie",
    "foundation",
    "stiftung",
    "fondation",
    "fundación",
    "fondazione",
    "institute",
    "institut",
    "instituto",
    "istituto",
    "ministry",
    "ministerium",
    "ministère",
    "ministerio",
    "department",
    "bundesamt",
    "agency",
    "bank",
    "banque",
    "banco",
    "banca",
    "sparkasse",
    "insurance",
    "versicherung",
    "versicherungen",
    "company",
    "corporation",
    "holding",
    "holdings",
    "group",
    "gruppe",
    "groupe",
    "grupo",
    "gruppo",
    "industries",
    "technologies",
    "solutions",
    "systems",
    "services",
    "enterprises",
    "associates",
    "partners",
    "consulting",
    "logistics",
    "airlines",
    "airways",
    "pharmaceuticals",
    "laboratories",
    "verein",
    "verband",
    "association",
    "federation",
    "federación",
    "union",
    "society",
    "committee",
    "council",
    "hospital",
    "krankenhaus",
    "klinik",
    "museum",
    "orchestra",
    "theatre",
    "international",
    "motors",
    "electronics",
    "software",
    "media",
    "records",
    "studios",
    "werke",
    "gmbh",
    "университет",
    "институт",
    "министерство",
    "банк",
    "фонд",
    "завод",
    "πανεπιστήμιο",
    "τράπεζα",
    "τραπεζα",
    "大学",
    "大學",
    "銀行",
    "银行",
    "会社",
    "公司",
    "대학교",
    "은행",
    "جامعة",
    "شركة",
    "بنك",
    "trust",
    "aktiengesellschaft",
    "gesellschaft",
    "genossenschaft",
    "league",
    "liga",
    "nations",
    "club",
    "commission",
    "firma",
    "verlag",
    "limited",
    "incorporated",
];

/// Endings by which a word in Chinese, Japanese or Korean is an organisation.
pub(super) const ENDINGS: &[&str] =
    &["大学", "大學", "銀行", "银行", "会社", "公司", "대학교", "은행", "集团", "集團"];

/// Lower case inside the name of an organisation that is set anew.
pub(super) const SMALL: &[&str] = &[
    "of", "the", "and", "for", "in", "on", "at", "to", "de", "del", "la", "las", "los", "du", "des", "di",
    "della", "do", "da", "dos", "und", "für", "der", "die", "das", "zur", "zu", "von", "vom", "y", "e", "et",
    "van", "en", "og", "och", "по", "и", "для", "των", "και", "του", "της",
];

/// Short words that are no acronyms, so that a name of them in capitals is set anew.
pub(super) const SHORT_WORDS: &[&str] = &[
    "air", "all", "and", "any", "art", "bad", "bar", "bay", "bed", "bee", "big", "box", "boy", "bus", "buy",
    "car", "cat", "co", "cow", "cup", "day", "dog", "dry", "ear", "eat", "egg", "eye", "fan", "far", "fit",
    "fix", "fly", "fox", "fun", "gap", "gas", "gem", "get", "go", "gym", "hat", "hot", "ice", "ink", "inn",
    "ivy", "jam", "jet", "job", "joy", "key", "kid", "lab", "law", "leg", "lex", "low", "map", "max", "men",
    "mr", "net", "new", "now", "nut", "oak", "off", "oil", "old", "on", "one", "our", "out", "own", "owl",
    "pan", "pay", "pen", "pet", "pie", "pig", "pin", "pro", "pub", "raw", "red", "rio", "run", "san", "sea",
    "see", "shy", "sir", "six", "sky", "spa", "st", "sun", "tax", "tea", "ten", "the", "tin", "tip", "top",
    "toy", "try", "two", "up", "via", "war", "way", "web", "wet", "win", "yes", "you", "zoo", "am", "an",
    "as", "by", "for", "in", "is", "it", "la", "le", "los", "las", "my", "of", "or", "to", "we", "die",
    "der", "das", "und", "für", "van", "von", "les", "des", "del", "ltd", "inc", "mt", "ft", "dr", "mrs",
    "jr", "sr", "bros", "mac", "al", "el", "ben", "bob", "dan", "ed", "ian", "jim", "joe", "kim", "lee",
    "leo", "ray", "roy", "sam", "ted", "tim", "tom",
];
