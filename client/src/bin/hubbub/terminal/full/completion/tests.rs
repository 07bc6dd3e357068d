//! What Tab offers.

use super::*;
use proptest::prelude::*;

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

/// Tab at the `|` of a line, among a few people and channels.
fn tab(line: &str) -> Option<Completion> {
    let cursor = line.find('|').expect("the test has a cursor");
    let line = line.replacen('|', "", 1);
    let commands = Row::table();
    let known = Known {
        commands: &commands,
        channels: &strings(&["ops.db", "ops", "dbs", "lobby", "adb.x"]),
        people: &strings(&["steve", "eve", "Evan", "bob", "bob.eve"]),
        services: &strings(&["resize", "reverse.text"]),
    };
    complete(&line, cursor, &known)
}

/// What the candidates are.
fn offers(line: &str) -> Vec<String> {
    tab(line).map_or(Vec::new(), |completion| completion.candidates.into_iter().map(|c| c.text).collect())
}

/// The line after Tab was pressed once.
fn once(line: &str) -> String {
    let completion = tab(line).expect("there is a candidate");
    let mut cycle = Cycle::new(&line.replacen('|', "", 1), line.find('|').unwrap_or(0), completion);
    cycle.next();
    let (mut line, cursor) = cycle.apply();
    line.insert(cursor, '|');
    line
}

#[test]
fn a_slash_completes_commands() {
    assert_eq!(offers("/wh|"), ["/whoami", "/whois ", "/who "]);
    assert_eq!(offers("/who|"), ["/who ", "/whoami", "/whois "], "what is whole comes first");
    assert_eq!(offers("/WHOI|"), ["/whois "]);
    assert_eq!(once("/subs|"), "/subscribe |");
    assert_eq!(once("/quie|"), "/quiet |");
    assert_eq!(once("/clos|"), "/close|");
    assert!(offers("/|").len() > 20);
    assert!(!offers("/hel|").contains(&"/hello ".to_string()), "what cannot be typed is not offered");
    assert_eq!(offers("//wh|"), [] as [&str; 0]);
}

#[test]
fn other_names_of_commands_are_offered_where_they_are_typed() {
    assert_eq!(offers("/jo|"), ["/join "]);
    let join = tab("/jo|").map(|completion| completion.candidates[0].about.clone()).unwrap_or_default();
    assert!(join.starts_with("= subscribe CHANNEL… [group=NAME] · receive"), "{join}");
    assert_eq!(offers("/nick|"), ["/nick "]);
    assert_eq!(offers("/pub|"), ["/publish "]);
    assert_eq!(offers("/bye|"), ["/bye "], "it is whole, so Tab adds the space");
    // Names first, then other names, then what is inside.
    assert_eq!(offers("/lea|"), ["/leave ", "/clear"]);
    assert_eq!(offers("/scribe|"), ["/subscribe ", "/unsubscribe "]);
}

#[test]
fn arguments_are_completed_by_what_they_are() {
    assert_eq!(offers("/join op|"), ["ops.db ", "ops "]);
    assert_eq!(offers("/join lobby group=x op|"), ["ops.db ", "ops "]);
    assert_eq!(offers("/join #lo|"), ["lobby "]);
    assert_eq!(offers("/whois |"), ["steve ", "eve ", "Evan ", "bob ", "bob.eve "]);
    assert_eq!(offers("/msg @bo|"), ["bob ", "bob.eve "]);
    assert_eq!(offers("/call re|"), ["resize ", "reverse.text "]);
    assert_eq!(offers("/help whoa|"), ["whoami"]);
    assert_eq!(offers("/quiet |"), ["on ", "off "]);
    assert_eq!(offers("/clients op|"), ["open "]);
    assert_eq!(offers("/history since=1h lo|"), ["lobby "]);
    assert_eq!(offers("/name e|"), [] as [&str; 0]);
    assert_eq!(offers("/nonsense e|"), [] as [&str; 0]);
    assert_eq!(offers("/ e|"), [] as [&str; 0]);
}

#[test]
fn people_are_completed_in_running_text() {
    assert_eq!(once("ev|"), "eve: |");
    assert_eq!(once("hello ev|"), "hello eve |");
    assert_eq!(once("hello @ev|"), "hello @eve|");
    assert_eq!(once("@eva|"), "@Evan|");
    assert_eq!(once("see #lo|"), "see #lobby|");
    assert_eq!(once("/msg bob tell ev|"), "/msg bob tell eve |");
    assert_eq!(once("/me greets ev|"), "/me greets eve |");
    assert_eq!(once("/publish ops hello #lob|"), "/publish ops hello #lobby|");
    assert_eq!(once("//tell ev|"), "//tell eve |");
    assert_eq!(offers("|"), [] as [&str; 0]);
    assert_eq!(offers("hello |"), [] as [&str; 0]);
    assert_eq!(offers("hello @|").len(), 5);
}

#[test]
fn the_best_matches_stand_first() {
    assert_eq!(offers("/who db|"), ["dbs ", "ops.db ", "adb.x "]);
    // One letter is not looked for inside words.
    assert_eq!(offers("/who b|"), [] as [&str; 0]);
    assert_eq!(offers("/whois eve|"), ["eve ", "bob.eve ", "steve "]);
    let many: Vec<String> = (0..1000).map(|n| format!("room{n}")).collect();
    let commands = Row::table();
    let known = Known { commands: &commands, channels: &many, people: &[], services: &[] };
    let found = complete("/who room", 9, &known).expect("there are rooms");
    assert_eq!(found.candidates.len(), MAX_CANDIDATES);
    assert_eq!(found.candidates[49].text, "room49 ");
}

#[test]
fn a_whole_word_gets_its_space_and_no_second_one() {
    assert_eq!(once("@Evan|"), "@Evan |");
    assert_eq!(once("see #lobby|"), "see #lobby |");
    assert_eq!(once("/whois Evan| x"), "/whois Evan | x".replace(" | ", " |"));
    assert_eq!(once("ev| hello"), "eve: |hello");
    assert_eq!(once("Evan:|"), "Evan: |");
}

#[test]
fn a_cursor_inside_a_word_replaces_the_whole_word() {
    assert_eq!(once("/whois ev|ery"), "/whois eve |");
    assert_eq!(once("/su|xx ops"), "/subscribe |ops");
    let found = tab("/who db|").expect("there is a candidate");
    assert_eq!((found.start, found.end), (5, 7));
}

#[test]
fn the_caller_learns_which_list_is_wanted() {
    let commands = Row::table();
    let of = |line: &str| wants(line, line.len(), &commands);
    assert_eq!(of("/jo"), Wanted::Command);
    assert_eq!(of("/join "), Wanted::Channel);
    assert_eq!(of("/join a b c"), Wanted::Channel);
    assert_eq!(of("/msg "), Wanted::Person);
    assert_eq!(of("/msg bob hi"), Wanted::Person);
    assert_eq!(of("/msg bob #x"), Wanted::Channel);
    assert_eq!(of("/call "), Wanted::Service);
    assert_eq!(of("/help "), Wanted::Command);
    assert_eq!(of("/quiet "), Wanted::Choice(&["on", "off"]));
    assert_eq!(of("/stats x"), Wanted::Nothing);
    assert_eq!(of("ev"), Wanted::Person);
    assert_eq!(of(""), Wanted::Nothing);
}

#[test]
fn every_argument_of_the_table_has_its_kind() {
    for verb in VERBS {
        let row = Row::of(verb);
        for (place, arg) in positional(verb).enumerate() {
            assert_eq!(row.wanted(place), wanted(verb, place), "{} {}", verb.name, arg.name);
            if matches!(arg.name, "channel" | "channels") {
                assert_eq!(wanted(verb, place), Wanted::Channel);
            }
        }
        assert_eq!(row.wanted(99), wanted(verb, 99), "{}", verb.name);
    }
}

#[test]
fn one_goes_through_the_candidates_and_back_to_what_was_typed() {
    let found = tab("say @ev| now").expect("there are candidates");
    let mut cycle = Cycle::new("say @ev now", 7, found);
    assert_eq!((cycle.index(), cycle.apply()), (None, ("say @ev now".into(), 7)));
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.extend(cycle.next().map(|candidate| candidate.text.clone()));
    }
    assert_eq!(seen, ["@eve", "@Evan", "@bob.eve", "@steve", "@eve"]);
    assert_eq!(cycle.previous().map(|c| c.text.as_str()), Some("@steve"));
    assert_eq!(cycle.apply(), ("say @steve now".into(), 10));
    assert_eq!(cycle.revert(), ("say @ev now".into(), 7));
    assert_eq!(cycle.previous().map(|c| c.text.as_str()), Some("@steve"));
    let mut none = Cycle::new("é", 1, Completion { start: 0, end: 99, candidates: Vec::new() });
    assert_eq!((none.next().cloned(), none.previous().cloned(), none.apply()), (None, None, ("é".into(), 0)));
}

proptest! {
    #[test]
    fn no_line_and_no_cursor_does_harm(
        line in prop_oneof![any::<String>(), "(/|//)?(join|msg|[a-z]{0,3}|日)( [@#]?(e|ev|o|日|é|group=x)?){0,4}[ \u{3000}]?"],
        cursor in prop_oneof![any::<usize>(), 0..20usize],
        names in proptest::collection::vec(any::<String>(), 0..4),
    ) {
        let commands = Row::table();
        let people: Vec<String> = names.iter().cloned().chain(strings(&["eve", "日本", "éva"])).collect();
        let known = Known { commands: &commands, channels: &people, people: &people, services: &names };
        wants(&line, cursor, &commands);
        if let Some(found) = complete(&line, cursor, &known) {
            prop_assert!(found.start <= found.end && line.get(found.start..found.end).is_some());
            prop_assert!((1..=MAX_CANDIDATES).contains(&found.candidates.len()));
            prop_assert!(!line[found.start..found.end].trim_end().contains(char::is_whitespace));
            let mut cycle = Cycle::new(&line, cursor, found);
            while cycle.next().is_some() && cycle.index() != Some(cycle.candidates().len() - 1) {
                let (line, cursor) = cycle.apply();
                prop_assert!(line.is_char_boundary(cursor));
            }
            prop_assert_eq!(cycle.revert().0, line);
        }
    }
}
