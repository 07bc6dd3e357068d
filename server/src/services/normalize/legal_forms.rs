//! The legal forms of organisations in many countries, each with its one spelling. Keys are in lower
//! case, without full stops, commas and brackets; every "and" is `&`, and a single space is between
//! words.

/// One legal form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// As it is written at the end of a name.
    pub canonical: &'static str,
    /// As it is found.
    pub keys: &'static [&'static str],
    /// Whether it may be a word or initials of a person as well.
    pub ambiguous: bool,
    /// When it may stand before the name.
    pub leads: Leads,
}

/// When a legal form may stand before the name, in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    Never,
    Always,
    /// Where one word follows and no other form does: `AB Volvo`, but `AB de Villiers`, `AB Foods Ltd`.
    BeforeOne,
    /// Where an article follows: `SA Le Monde`, but `SA Khan`.
    BeforeArticle,
}

const fn plain(canonical: &'static str, keys: &'static [&'static str]) -> Form {
    Form { canonical, keys, ambiguous: false, leads: Leads::Never }
}

const fn ambiguous(canonical: &'static str, keys: &'static [&'static str]) -> Form {
    Form { canonical, keys, ambiguous: true, leads: Leads::Never }
}

const fn leading(canonical: &'static str, keys: &'static [&'static str]) -> Form {
    Form { canonical, keys, ambiguous: false, leads: Leads::Always }
}

/// The most words of one key.
pub(super) const MOST_WORDS: usize = 6;

pub(super) const FORMS: &[Form] = &[
    // English-speaking countries
    plain("Inc.", &["inc", "incorporated", "incorp"]),
    plain("Corp.", &["corp", "corporation"]),
    plain("Co.", &["company"]),
    ambiguous("Co.", &["co"]),
    plain("& Co.", &["& co", "& company", "& cie"]),
    plain("Co., Ltd.", &["co ltd", "company ltd", "co limited", "company limited", "coltd"]),
    plain("Co., Inc.", &["co inc", "company inc"]),
    plain("LLC", &["llc", "l l c", "limited liability company", "limited liability co"]),
    plain("LLP", &["llp", "l l p", "limited liability partnership"]),
    plain("LLLP", &["lllp"]),
    plain("PLLC", &["pllc", "p l l c"]),
    ambiguous("LP", &["lp", "limited partnership"]),
    ambiguous("PC", &["pc"]),
    ambiguous("N.A.", &["na", "national association"]),
    plain("Ltd", &["ltd", "limited", "l t d", "limitd"]),
    plain("PLC", &["plc", "p l c", "public limited company", "public limited co"]),
    plain("CIC", &["cic", "community interest company"]),
    plain("Ltd", &["private limited company"]),
    ambiguous("DAC", &["dac", "designated activity company"]),
    plain("Pty Ltd", &["pty ltd", "pty limited", "proprietary limited", "proprietary ltd"]),
    plain("Pte Ltd", &["pte ltd", "pte limited"]),
    plain("Pvt Ltd", &["pvt ltd", "pvt limited", "private limited", "private ltd", "p ltd"]),
    plain("Pte", &["pte"]),
    plain("Pty", &["pty"]),
    plain("Sdn Bhd", &["sdn bhd", "sendirian berhad"]),
    plain("Bhd", &["bhd", "berhad"]),
    plain("Ltée", &["ltée", "ltee", "limitée"]),
    plain("Unltd", &["unltd", "unlimited"]),
    // German-speaking countries
    plain(
        "GmbH",
        &[
            "gmbh",
            "g m b h",
            "gesmbh",
            "ges m b h",
            "mbh",
            "gesellschaft mit beschränkter haftung",
            "gesellschaft mbh",
            "gesellschaft m b h",
        ],
    ),
    plain("gGmbH", &["ggmbh", "gemeinnützige gmbh"]),
    plain(
        "GmbH & Co. KG",
        &[
            "gmbh & co kg",
            "gmbh & cokg",
            "gmbh & co kommanditgesellschaft",
            "gmbh co kg",
            "gesmbh & co kg",
            "mbh & co kg",
        ],
    ),
    plain("GmbH & Co. KGaA", &["gmbh & co kgaa", "gmbh & cokgaa"]),
    plain("GmbH & Co. OHG", &["gmbh & co ohg"]),
    plain("AG & Co. KG", &["ag & co kg", "ag & cokg"]),
    plain("AG & Co. KGaA", &["ag & co kgaa", "ag & cokgaa"]),
    plain("SE & Co. KG", &["se & co kg", "se & cokg"]),
    plain("SE & Co. KGaA", &["se & co kgaa", "se & cokgaa"]),
    plain("UG & Co. KG", &["ug & co kg", "ug haftungsbeschränkt & co kg"]),
    plain("& Co. KG", &["& co kg", "& cokg"]),
    plain("& Co. OHG", &["& co ohg"]),
    plain("KGaA", &["kgaa", "kommanditgesellschaft auf aktien"]),
    plain(
        "UG (haftungsbeschränkt)",
        &["ug haftungsbeschränkt", "ug haftungsbeschraenkt", "unternehmergesellschaft haftungsbeschränkt"],
    ),
    ambiguous("UG (haftungsbeschränkt)", &["ug", "unternehmergesellschaft"]),
    ambiguous("AG", &["ag", "a g", "aktiengesellschaft"]),
    ambiguous("KG", &["kg", "k g", "kommanditgesellschaft"]),
    ambiguous("SE", &["se", "societas europaea"]),
    plain("OHG", &["ohg", "o h g", "offene handelsgesellschaft"]),
    ambiguous("OG", &["og", "offene gesellschaft"]),
    plain("GbR", &["gbr", "gesellschaft bürgerlichen rechts"]),
    plain("PartG mbB", &["partg mbb", "partgmbb"]),
    plain("PartG", &["partg"]),
    plain("KdöR", &["kdör"]),
    ambiguous("e.V.", &["ev", "e v", "eingetragener verein"]),
    ambiguous("eG", &["eg", "eingetragene genossenschaft"]),
    ambiguous("e.K.", &["ek", "e k", "ekfr", "ekfm", "eingetragener kaufmann", "eingetragene kauffrau"]),
    ambiguous("e.U.", &["eu"]),
    plain("Sàrl", &["sàrl", "sàrl-s", "sà rl", "sà r l", "s à rl", "s à r l", "sa rl"]),
    plain("Sagl", &["sagl"]),
    // Romance languages
    Form {
        leads: Leads::BeforeArticle,
        ..ambiguous(
            "S.A.",
            &["sa", "s a", "société anonyme", "sociedad anónima", "sociedade anónima", "sociedade anônima"],
        )
    },
    plain("S.A.", &["s/a"]),
    plain("S.A. de C.V.", &["sa de cv", "s a de c v", "sociedad anónima de capital variable"]),
    plain("S.A.B. de C.V.", &["sab de cv"]),
    plain("S. de R.L. de C.V.", &["s de rl de cv", "s de r l de c v"]),
    plain("S. de R.L.", &["s de rl", "s de r l"]),
    leading("SARL", &["sarl", "s a r l", "société à responsabilité limitée"]),
    ambiguous("SAS", &["sas", "s a s", "société par actions simplifiée"]),
    plain("SASU", &["sasu"]),
    plain("EURL", &["eurl"]),
    ambiguous("SNC", &["snc", "s n c"]),
    ambiguous("SCA", &["sca"]),
    plain("& Cie", &["et cie", "et compagnie"]),
    ambiguous("S.p.A.", &["spa", "s p a", "società per azioni"]),
    plain("S.r.l.", &["srl", "s r l", "società a responsabilità limitata"]),
    plain("S.r.l.s.", &["srls"]),
    plain("S.a.s.", &["società in accomandita semplice"]),
    ambiguous("S.L.", &["sl", "s l", "sociedad limitada"]),
    plain("S.L.U.", &["slu", "s l u"]),
    ambiguous("S.A.U.", &["sau"]),
    plain("S.L.P.", &["slp"]),
    ambiguous("S.Coop.", &["scoop", "s coop", "sociedad cooperativa"]),
    plain("Ltda", &["ltda", "limitada"]),
    plain("Lda", &["lda"]),
    plain("EIRELI", &["eireli"]),
    plain("ASBL", &["asbl", "a s b l"]),
    // Low Countries and the North
    ambiguous("B.V.", &["bv", "b v", "besloten vennootschap"]),
    ambiguous("N.V.", &["nv", "n v", "naamloze vennootschap"]),
    ambiguous("V.O.F.", &["vof", "v o f"]),
    plain("BVBA", &["bvba", "sprl"]),
    plain("VZW", &["vzw"]),
    Form { ambiguous: true, ..leading("Oy", &["oy", "osakeyhtiö"]) },
    plain("Oy Ab", &["oy ab"]),
    plain("Oyj", &["oyj", "julkinen osakeyhtiö"]),
    plain("Oyj Abp", &["oyj abp"]),
    ambiguous("Ky", &["ky"]),
    Form { leads: Leads::BeforeOne, ..ambiguous("AB", &["ab", "aktiebolag", "aktiebolaget"]) },
    plain("AB (publ)", &["ab publ"]),
    plain("HB", &["handelsbolag"]),
    ambiguous("KB", &["kommanditbolag"]),
    plain("ASA", &["allmennaksjeselskap"]),
    ambiguous("ASA", &["asa"]),
    ambiguous("AS", &["as", "a s", "aksjeselskap"]),
    leading("A/S", &["a/s", "aktieselskab"]),
    plain("ApS", &["aps", "anpartsselskab"]),
    plain("I/S", &["i/s"]),
    plain("K/S", &["k/s"]),
    plain("P/S", &["p/s"]),
    plain("ehf.", &["ehf"]),
    ambiguous("hf.", &["hf"]),
    // Middle and Eastern Europe
    plain("Kft.", &["kft", "korlátolt felelősségű társaság"]),
    plain("Zrt.", &["zrt", "zártkörűen működő részvénytársaság"]),
    plain("Nyrt.", &["nyrt"]),
    ambiguous("Bt.", &["bt", "betéti társaság"]),
    plain("s.r.o.", &["sro", "s r o", "spol s ro", "spol s r o", "společnost s ručením omezeným"]),
    ambiguous("a.s.", &["akciová společnost", "akciová spoločnosť"]),
    ambiguous("v.o.s.", &["vos", "v o s"]),
    plain(
        "Sp. z o.o.",
        &["sp z oo", "sp z o o", "spzoo", "sp zoo", "spółka z ograniczoną odpowiedzialnością"],
    ),
    plain("Sp. z o.o. Sp. k.", &["sp z oo sp k", "sp z oo spk", "sp z o o sp k"]),
    plain("Sp. k.", &["sp k", "spk", "spółka komandytowa"]),
    plain("Sp. j.", &["sp j", "spj", "spółka jawna"]),
    plain("S.A.", &["spółka akcyjna", "societate pe acțiuni"]),
    ambiguous("d.o.o.", &["doo", "d o o", "društvo s ograničenom odgovornošću"]),
    ambiguous("d.d.", &["dd", "d d"]),
    plain("OÜ", &["oü", "osaühing"]),
    Form { ambiguous: true, ..leading("SIA", &["sia"]) },
    Form { ambiguous: true, ..leading("UAB", &["uab"]) },
    plain("SHPK", &["shpk", "sh p k"]),
    leading("ООО", &["ооо", "общество с ограниченной ответственностью"]),
    leading("ОАО", &["оао", "открытое акционерное общество"]),
    leading("ЗАО", &["зао", "закрытое акционерное общество"]),
    leading("ПАО", &["пао", "публичное акционерное общество"]),
    leading("АО", &["ао", "акционерное общество"]),
    leading("ТОВ", &["тов", "товариство з обмеженою відповідальністю"]),
    leading("ПрАТ", &["прат"]),
    leading("ТОО", &["тоо"]),
    plain("ЕООД", &["еоод"]),
    plain("ООД", &["оод"]),
    plain("ЕАД", &["еад"]),
    plain("АД", &["ад"]),
    plain("д.о.о.", &["доо", "д о о"]),
    ambiguous("OOO", &["ooo"]),
    plain("Α.Ε.", &["αε", "α ε", "ανώνυμη εταιρεία"]),
    plain("Ε.Π.Ε.", &["επε", "ε π ε"]),
    plain("Ι.Κ.Ε.", &["ικε", "ι κ ε"]),
    plain("Ο.Ε.", &["οε", "ο ε"]),
    plain("A.Ş.", &["aş", "a ş", "anonim şirketi"]),
    plain("Ltd. Şti.", &["ltd şti", "limited şirketi", "ltd sti"]),
    plain("San. ve Tic. A.Ş.", &["san & tic aş"]),
    // Asia and the Near East
    plain("K.K.", &["kabushiki kaisha", "kabushiki gaisha", "kabushikigaisha"]),
    ambiguous("K.K.", &["kk", "k k"]),
    ambiguous("G.K.", &["gk", "godo kaisha", "gōdō gaisha"]),
    Form { ambiguous: true, ..leading("PT", &["pt"]) },
    plain("Tbk", &["tbk"]),
    plain("JSC", &["jsc", "joint stock company"]),
    plain("PJSC", &["pjsc"]),
    plain("OJSC", &["ojsc"]),
    plain("FZE", &["fze"]),
    plain("FZCO", &["fzco"]),
    ambiguous("W.L.L.", &["wll", "w l l"]),
    plain("בע\"מ", &["בע\"מ", "בעמ"]),
    leading("ش.م.م", &["شمم"]),
    leading("ذ.م.م", &["ذمم"]),
    leading("ش.م.ع", &["شمع"]),
];

/// What is written right behind or before a name, without a space; the longest first.
pub(super) const ATTACHED: &[(&str, &[&str])] = &[
    ("股份有限公司", &["股份有限公司"]),
    ("有限责任公司", &["有限责任公司", "有限責任公司"]),
    ("有限公司", &["有限公司"]),
    ("株式会社", &["株式会社", "株式會社", "(株)"]),
    ("有限会社", &["有限会社", "有限會社", "(有)"]),
    ("合同会社", &["合同会社", "合同會社", "(同)"]),
    ("合資会社", &["合資会社", "(資)"]),
    ("合名会社", &["合名会社", "(名)"]),
    ("一般社団法人", &["一般社団法人"]),
    ("주식회사", &["주식회사", "(주)"]),
    ("유한회사", &["유한회사", "(유)"]),
];
