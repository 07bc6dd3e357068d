//! The table of cases: what `normalize` makes of which name. It is the specification, and the test.

use super::{canonical, Kind};
use proptest::prelude::*;

/// Names of people, as they are given and as they are answered.
const PEOPLE: &[(&str, &str)] = &[
    // Spacing, characters, quotes, dashes
    ("  John \t  Smith ", "John Smith"),
    ("Ｊｏｈｎ　Ｓｍｉｔｈ", "John Smith"),
    ("Zoe\u{308} Kravitz", "Zoë Kravitz"),
    ("Jo\u{200b}hn Sm\u{ad}ith", "John Smith"),
    ("Sinéad O\u{2019}Connor", "Sinéad O'Connor"),
    ("Jean\u{2011}Luc Godard", "Jean-Luc Godard"),
    ("Jean - Luc Godard", "Jean-Luc Godard"),
    ("\"John Smith\"", "John Smith"),
    ("Edward “Duke” Ellington", "Edward \"Duke\" Ellington"),
    ("John Smith.", "John Smith"),
    // Case
    ("JOHN SMITH", "John Smith"),
    ("john smith", "John Smith"),
    ("John smith", "John Smith"),
    ("jOHN sMITH", "John Smith"),
    ("John SMITH", "John Smith"),
    ("Ronald McDonald", "Ronald McDonald"),
    ("RONALD MCDONALD", "Ronald McDonald"),
    ("douglas macarthur", "Douglas MacArthur"),
    ("EMMANUEL MACRON", "Emmanuel Macron"),
    ("antonio machado", "Antonio Machado"),
    ("shaquille o'neal", "Shaquille O'Neal"),
    ("JEANNE D'ARC", "Jeanne d'Arc"),
    ("D'ANGELO RUSSELL", "D'Angelo Russell"),
    ("guillaume de l'hospital", "Guillaume de l'Hospital"),
    ("vincent van gogh", "Vincent van Gogh"),
    ("JAN VAN DER BERG", "Jan van der Berg"),
    ("van der berg", "van der Berg"),
    ("VAN MORRISON", "Van Morrison"),
    ("al pacino", "Al Pacino"),
    ("SOR JUANA INÉS DE LA CRUZ", "Sor Juana Inés de la Cruz"),
    ("de la cruz", "de la Cruz"),
    ("charles le brun", "Charles Le Brun"),
    ("ludwig VAN beethoven", "Ludwig van Beethoven"),
    ("Robert Van Winkle", "Robert Van Winkle"),
    ("OTTO VON BISMARCK", "Otto von Bismarck"),
    ("osama bin laden", "Osama bin Laden"),
    ("HAROUN AL-RASHID", "Haroun al-Rashid"),
    ("jan in 't veld", "Jan in 't Veld"),
    ("auf der maur", "Auf der Maur"),
    ("JOSÉ ORTEGA Y GASSET", "José Ortega y Gasset"),
    ("Leonardo DiCaprio", "Leonardo DiCaprio"),
    ("Neil deGrasse Tyson", "Neil deGrasse Tyson"),
    ("Kim Jong-un", "Kim Jong-un"),
    ("jean-luc picard", "Jean-Luc Picard"),
    ("ijsbrand van dam", "IJsbrand van Dam"),
    ("JÜRGEN GROẞ", "Jürgen Groß"),
    ("franz josef strauß", "Franz Josef Strauß"),
    ("IŞIK YILDIZ", "Işık Yıldız"),
    ("ibrahim yağmur", "İbrahim Yağmur"),
    ("İSMET İNÖNÜ", "İsmet İnönü"),
    ("JP Morgan", "JP Morgan"),
    ("ΑΛΈΞΗΣ ΤΣΊΠΡΑΣ", "Αλέξης Τσίπρας"),
    ("ФЁДОР ДОСТОЕВСКИЙ", "Фёдор Достоевский"),
    ("михаил салтыков-щедрин", "Михаил Салтыков-Щедрин"),
    // Honorifics and titles
    ("Mr John Smith", "John Smith"),
    ("MRS. JANE DOE", "Jane Doe"),
    ("Ms. Smith", "Smith"),
    ("Mr. & Mrs. Smith", "Smith"),
    ("DE GAULLE Charles", "de Gaulle Charles"),
    ("Mr.John Smith", "John Smith"),
    ("Mr. Dr. John Smith", "John Smith"),
    ("Prof. Dr.-Ing. Hans Müller", "Hans Müller"),
    ("Prof.Dr.Hans Müller", "Hans Müller"),
    ("Herr Dr. med. Hans Müller", "Hans Müller"),
    ("Univ.-Prof. Dipl.-Ing. Dr. techn. Eva Huber", "Eva Huber"),
    ("Dr. rer. nat. Dr. h.c. mult. Angela Merkel", "Angela Merkel"),
    ("Dr. H. C. Andersen", "H. C. Andersen"),
    ("Mag. Eva Huber", "Eva Huber"),
    ("DI Eva Huber", "Eva Huber"),
    ("Di Stefano", "Di Stefano"),
    ("Ing. Jan Novák", "Jan Novák"),
    ("Frau Erika Mustermann", "Erika Mustermann"),
    ("M. Dupont", "Dupont"),
    ("M. Jean Dupont", "Jean Dupont"),
    ("M. R. James", "M. R. James"),
    ("Mme Curie", "Curie"),
    ("Mlle. Coco Chanel", "Coco Chanel"),
    ("Sr. Pablo García", "Pablo García"),
    ("Sra. García", "García"),
    ("Don Diego de la Vega", "Diego de la Vega"),
    ("Don Johnson", "Don Johnson"),
    ("Doña Inés", "Inés"),
    ("Sir Elton John", "Elton John"),
    ("Dame Judi Dench", "Judi Dench"),
    ("Lord Byron", "Byron"),
    ("Jack Lord", "Jack Lord"),
    ("Rev. Jesse Jackson", "Jesse Jackson"),
    ("The Rt. Hon. Tony Blair", "Tony Blair"),
    ("Hon. Ruth Ginsburg", "Ruth Ginsburg"),
    ("Sig. Mario Rossi", "Mario Rossi"),
    ("Sig.ra Rossi", "Rossi"),
    ("Dott.ssa Maria Bianchi", "Maria Bianchi"),
    ("MUDr. Jana Nováková, CSc.", "Jana Nováková"),
    ("Г-н Иван Петров", "Иван Петров"),
    ("д-р Иван Петров", "Иван Петров"),
    ("κ. Γιώργος Παπαδόπουλος", "Γιώργος Παπαδόπουλος"),
    ("Dr.", "Dr"),
    // Degrees, orders and the like behind the name
    ("John Smith, Ph.D.", "John Smith"),
    ("John Smith PhD", "John Smith"),
    ("John Smith Ph. D.", "John Smith"),
    ("John Smith, M.D., MBA", "John Smith"),
    ("Jane Doe, Esq.", "Jane Doe"),
    ("Jane Doe OBE", "Jane Doe"),
    ("Jane Doe CPA", "Jane Doe"),
    ("Jane Doe, RN, BSN, XYZ", "Jane Doe"),
    ("Hans Müller (CEO)", "Hans Müller (CEO)"),
    ("Eva Huber, LL.M.", "Eva Huber"),
    ("Eva Huber MA", "Eva Huber"),
    ("JACK MA", "Jack Ma"),
    ("Yo-Yo Ma", "Yo-Yo Ma"),
    // Generations
    ("John Smith, Jr.", "John Smith Jr"),
    ("john smith junior", "John Smith Jr"),
    ("John Smith Senior", "John Smith Sr"),
    ("john smith iii", "John Smith III"),
    ("JOHN SMITH 3rd", "John Smith III"),
    ("Dr. Martin Luther King, Jr., Ph.D.", "Martin Luther King Jr"),
    ("King, Martin Luther, Jr.", "Martin Luther King Jr"),
    ("Smith Jr., John", "John Smith Jr"),
    ("Elizabeth II", "Elizabeth II"),
    ("Lan Vi", "Lan Vi"),
    // Last, First
    ("Smith, John", "John Smith"),
    ("SMITH,JOHN", "John Smith"),
    ("van der Berg, Jan", "Jan van der Berg"),
    ("Beethoven, Ludwig van", "Ludwig van Beethoven"),
    ("Smith, Dr. John", "John Smith"),
    ("Smith, Mr.", "Smith"),
    ("Smith, M.D.", "M. D. Smith"),
    ("Byatt, A.S.", "A. S. Byatt"),
    ("Ma, Jack", "Jack Ma"),
    ("Müller, Hans, Prof. Dr.", "Hans Müller"),
    // Initials
    ("j.r.r. tolkien", "J. R. R. Tolkien"),
    ("J.R.R.Tolkien", "J. R. R. Tolkien"),
    ("Tolkien, J R R", "J. R. R. Tolkien"),
    ("John F Kennedy", "John F. Kennedy"),
    ("john f. kennedy", "John F. Kennedy"),
    ("J.-P. Sartre", "J.-P. Sartre"),
    ("j.-p. sartre", "J.-P. Sartre"),
    ("Malcolm X", "Malcolm X"),
    ("а. с. пушкин", "А. С. Пушкин"),
    // Scripts that are left in order
    ("毛泽东", "毛泽东"),
    ("毛, 泽东", "毛泽东"),
    ("王小明先生", "王小明"),
    ("山田 太郎 様", "山田 太郎"),
    ("김철수 씨", "김철수"),
    ("محمد بن سلمان", "محمد بن سلمان"),
    ("الدكتور أحمد زويل", "أحمد زويل"),
    ("ד\"ר יעל כהן", "יעל כהן"),
    ("ნინო ბურჯანაძე", "ნინო ბურჯანაძე"),
    ("श्री नरेन्द्र मोदी", "नरेन्द्र मोदी"),
];

/// Names of organisations, as they are given and as they are answered.
const ORGANISATIONS: &[(&str, &str)] = &[
    ("Acme, Inc.", "Acme Inc."),
    ("acme incorporated", "Acme Inc."),
    ("ACME INC", "Acme Inc."),
    ("Acme Corporation", "Acme Corp."),
    ("Ford Motor Company", "Ford Motor Co."),
    ("Coca-Cola Company, The", "The Coca-Cola Co."),
    ("tiffany & co", "Tiffany & Co."),
    ("Smith and Co.", "Smith & Co."),
    ("Acme L.L.C.", "Acme LLC"),
    ("Dewey, Cheatham & Howe, L.L.P.", "Dewey, Cheatham & Howe LLP"),
    ("ROLLS-ROYCE LIMITED", "Rolls-Royce Ltd"),
    ("Barclays P.L.C.", "Barclays PLC"),
    ("bhp pty. ltd.", "BHP Pty Ltd"),
    ("Foo (Pty) Ltd", "Foo Pty Ltd"),
    ("Grab Pte. Ltd.", "Grab Pte Ltd"),
    ("Infosys Private Limited", "Infosys Pvt Ltd"),
    ("Samsung Electronics Co., Ltd.", "Samsung Electronics Co., Ltd."),
    ("Toyota Motor Corp Ltd", "Toyota Motor Corp. Ltd"),
    ("SIEMENS AG", "Siemens AG"),
    ("siemens ag", "Siemens AG"),
    ("Siemens Aktiengesellschaft", "Siemens AG"),
    ("BMW AG", "BMW AG"),
    ("SAP SE", "SAP SE"),
    ("IBM CORP", "IBM Corp."),
    ("ibm", "IBM"),
    ("KPMG", "KPMG"),
    ("Müller G.m.b.H.", "Müller GmbH"),
    ("Müller Ges.m.b.H.", "Müller GmbH"),
    ("müller gesellschaft mit beschränkter haftung", "Müller GmbH"),
    ("Müller GmbH und Co. KG", "Müller GmbH & Co. KG"),
    ("MÜLLER GMBH&CO.KG", "Müller GmbH & Co. KG"),
    ("Fresenius SE & Co. KGaA", "Fresenius SE & Co. KGaA"),
    ("Meier OHG", "Meier OHG"),
    ("Sportverein Linz e. V.", "Sportverein Linz e.V."),
    ("Sportverein Linz e.V.", "Sportverein Linz e.V."),
    ("Klein UG (haftungsbeschränkt)", "Klein UG (haftungsbeschränkt)"),
    ("Klein UG", "Klein UG (haftungsbeschränkt)"),
    ("NESTLÉ S.A.", "Nestlé S.A."),
    ("Danone SA", "Danone S.A."),
    ("Decathlon S.A.S.", "Decathlon SAS"),
    ("Boulangerie Dupont S.A.R.L.", "Boulangerie Dupont SARL"),
    ("FIAT S.P.A.", "Fiat S.p.A."),
    ("Rossi SRL", "Rossi S.r.l."),
    ("Zara S.L.", "Zara S.L."),
    ("Cemex SA de CV", "Cemex S.A. de C.V."),
    ("PADARIA DO JOÃO LTDA.", "Padaria do João Ltda"),
    ("Philips NV", "Philips N.V."),
    ("Philips Nederland B.V.", "Philips Nederland B.V."),
    ("nokia oyj", "Nokia Oyj"),
    ("Rovio Oy", "Rovio Oy"),
    ("Volvo AB", "Volvo AB"),
    ("Ericsson AB (publ)", "Ericsson AB (publ)"),
    ("EQUINOR ASA", "Equinor ASA"),
    ("Maersk A/S", "Maersk A/S"),
    ("Lego aps", "Lego ApS"),
    ("Prezi KFT.", "Prezi Kft."),
    ("MOL Zrt", "MOL Zrt."),
    ("ŠKODA AUTO A.S.", "Škoda Auto a.s."),
    ("Agrofert, a. s.", "Agrofert a.s."),
    ("PT Bank Mandiri Tbk", "Bank Mandiri PT Tbk"),
    ("Alza, s. r. o.", "Alza s.r.o."),
    ("Allegro sp. z o. o.", "Allegro Sp. z o.o."),
    ("Rimac d.o.o.", "Rimac d.o.o."),
    ("Koç Holding A.Ş.", "Koç Holding A.Ş."),
    ("ООО «Ромашка»", "Ромашка ООО"),
    ("ОАО \"ГАЗПРОМ\"", "Газпром ОАО"),
    ("株式会社日立製作所", "日立製作所株式会社"),
    ("㈱日立製作所", "日立製作所株式会社"),
    ("华为技术有限公司", "华为技术有限公司"),
    ("삼성전자 주식회사", "삼성전자주식회사"),
    ("Sony Kabushiki Kaisha", "Sony K.K."),
    ("Deutsche Bank", "Deutsche Bank"),
    ("bank of america", "Bank of America"),
    ("UNIVERSITÄT FÜR MUSIK", "Universität für Musik"),
    ("Johnson & Johnson", "Johnson & Johnson"),
    ("mcdonald's corp", "McDonald's Corp."),
    ("eBay Inc", "eBay Inc."),
    ("20TH CENTURY FOX CORP", "20th Century Fox Corp."),
    ("e.on se", "E.ON SE"),
    ("GE", "GE"),
    ("SARL DUPONT", "Dupont SARL"),
    ("amazon.com, inc.", "Amazon.com Inc."),
    ("3m company", "3M Co."),
    ("u.s. steel corp", "U.S. Steel Corp."),
    ("Acme™ LLC", "Acme LLC"),
    ("Dr. Oetker KG", "Dr. Oetker KG"),
];

fn check(cases: &[(&str, &str)], kind: Kind) -> Vec<String> {
    let mut wrong = Vec::new();
    for (given, wanted) in cases {
        let found = canonical(given, None);
        if found != Some(((*wanted).to_owned(), kind)) {
            wrong.push(format!("{given:?}: wanted {wanted:?}, found {found:?}"));
        }
    }
    wrong
}

#[test]
fn people_are_called_as_the_table_says() {
    let wrong = check(PEOPLE, Kind::Person);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), PEOPLE.len(), wrong.join("\n"));
}

#[test]
fn organisations_are_called_as_the_table_says() {
    let wrong = check(ORGANISATIONS, Kind::Organisation);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ORGANISATIONS.len(), wrong.join("\n"));
}

#[test]
fn a_kind_that_is_given_decides() {
    let person = |name| canonical(name, Some(Kind::Person)).map(|(name, _)| name);
    let organisation = |name| canonical(name, Some(Kind::Organisation)).map(|(name, _)| name);
    assert_eq!(person("IBM").as_deref(), Some("Ibm"));
    assert_eq!(person("MELISSA BANK").as_deref(), Some("Melissa Bank"));
    assert_eq!(organisation("MELISSA BANK").as_deref(), Some("Melissa Bank"));
    assert_eq!(organisation("Marks, Spencer").as_deref(), Some("Marks, Spencer"));
    assert_eq!(organisation("Smith Co").as_deref(), Some("Smith Co."));
    assert_eq!(organisation("mr. smith").as_deref(), Some("Mr. Smith"));
}

#[test]
fn the_canonical_form_of_every_case_is_itself() {
    for (given, wanted) in PEOPLE.iter().chain(ORGANISATIONS) {
        for kind in [None, Some(Kind::Person), Some(Kind::Organisation)] {
            let (once, _) = canonical(given, kind).expect("a name");
            assert_eq!(canonical(&once, kind).map(|(name, _)| name), Some(once), "{given:?} as {kind:?}");
        }
        assert_eq!(canonical(wanted, None).map(|(name, _)| name).as_deref(), Some(*wanted));
    }
}

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
