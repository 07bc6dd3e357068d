//! People and a script that talk to each other through full screens: channels, direct conversations,
//! and every command that people know by heart.

use crate::people::{lists, person, script, shows, status_has, top_has};
use hubbub_tests::{wait, Encoding, Hub, Terminal};

#[test]
fn two_people_and_a_script_talk_in_a_channel() {
    let hub = Hub::with(["--name", "alpha"]);
    let bob = person(&hub, "bob");
    let ann = Terminal::start(&hub, &["--name", "ann"]);
    shows(&ann, "(hub)");
    ann.enters("/join #ops");
    shows(&ann, "ops");
    let mut build = script(&hub, "build");
    build.ask("subscribe ops").ok();
    bob.enters("is anybody here?");
    for terminal in [&ann, &bob] {
        terminal.sees("bob │ is anybody here?");
    }
    assert_eq!(build.line(), "[ops] bob: is anybody here?");
    ann.enters("I am");
    bob.sees("ann │ I am");
    assert_eq!(build.line(), "[ops] ann: I am");
    build.ask("publish ops build 512 failed").ok();
    for terminal in [&bob, &ann] {
        terminal.sees("build │ build 512 failed");
        for name in ["│ 3 people", "│ ann", "│ bob", "│ build"] {
            terminal
                .waits(name, |screen| screen.rows(83, 17).any(|row| row.trim_end() == name).then_some(()));
        }
    }
    ann.enters("/me sighs");
    bob.sees("* │ ann sighs");
    bob.enters("//etc/passwd is a path");
    ann.sees("bob │ /etc/passwd is a path");
    bob.enters("/part");
    shows(&bob, "(hub)");
    bob.sees_not("2 ops");
    bob.enters("nobody hears this");
    bob.sees("! │ not-subscribed: there is nobody to talk to");
    bob.input_is("› nobody hears this");
}

#[test]
fn two_people_talk_alone() {
    let hub = Hub::with(["--name", "alpha"]);
    let (ann, bob) = (person(&hub, "ann"), person(&hub, "bob"));
    let mut build = script(&hub, "build");
    build.ask("msg bob disk is full").ok();
    lists(&bob, 3, "@build 1!");
    ann.enters("/msg bob psst");
    ann.sees("said to bob");
    lists(&bob, 4, "@ann 1!");
    lists(&ann, 3, "@bob");
    ann.enters("/query bob");
    shows(&ann, "bob");
    ann.sees("ann │ psst");
    ann.enters("are you there?");
    lists(&bob, 4, "@ann 2!");
    bob.presses("alt-a");
    shows(&bob, "build");
    bob.sees("build │ disk is full");
    bob.presses("alt-a");
    shows(&bob, "ann");
    bob.sees("ann │ are you there?");
    lists(&bob, 4, "@ann");
    bob.enters("yes");
    ann.sees("bob │ yes");
    bob.presses("alt-a");
    status_has(&bob, "nothing is unread");
    bob.enters("/msg build I know");
    assert_eq!(build.line(), "<bob> I know");
    bob.enters("/query nobody-there hello?");
    shows(&bob, "nobody-there");
    bob.sees("! │ no-such-client");
    bob.enters("/part");
    bob.waits("it to leave the list", |screen| {
        (!screen.rows(0, 17).any(|row| row.contains("nobody-there"))).then_some(())
    });
}

#[test]
fn a_new_name_and_a_topic_are_seen_by_everybody() {
    let hub = Hub::with(["--name", "alpha"]);
    let (ann, bob) = (person(&hub, "ann"), person(&hub, "bob"));
    status_has(&bob, " bob@alpha · ");
    bob.enters("/nick robert");
    status_has(&bob, " robert@alpha · ");
    bob.enters("it is still me");
    ann.sees("robert │ it is still me");
    ann.waits("the new name among the people", |screen| {
        screen.rows(83, 17).any(|row| row.trim_end() == "│ robert").then_some(())
    });
    ann.enters("/topic ops deploys on Friday");
    for terminal in [&ann, &bob] {
        top_has(terminal, " ops deploys on Friday");
    }
    bob.enters("/topic");
    bob.sees("topic of ops: deploys on Friday (set by ann)");
    // A name that is taken is refused, and nothing changes.
    bob.enters("/nick ann");
    bob.sees("! │ name-taken");
    status_has(&bob, " robert@alpha · ");
}

#[test]
fn the_hub_answers_every_question_where_it_was_asked() {
    let hub = Hub::with(["--name", "alpha"]);
    let bob = person(&hub, "bob");
    let mut eve = script(&hub, "eve");
    eve.ask("subscribe ops dev").ok();
    eve.ask("welcome gone fishing").ok();
    let mut upper = hub.named(Encoding::Json, "upper");
    upper.ask("serve upper makes it large").ok();
    eve.ask("publish ops hello").ok();
    bob.sees("eve │ hello");
    for (line, words) in [
        ("/whois eve", "gone fishing"),
        ("/who", "2 clients"),
        ("/names dev", "1 client"),
        ("/list", "2 channels"),
        ("/history 5", "1 message"),
        ("/servers", "1 server"),
        ("/clients", "3 clients"),
        ("/services", "upper providers=1"),
        ("/reverse abc", "* │ cba"),
        ("/welcome be right back", "be right back"),
        ("/ping", "pong"),
        ("/topic dev", "dev"),
        ("/whois nobody", "! │ no-such-client"),
        ("/jion dev", "did you mean /join?"),
        ("/serach x", "did you mean"),
    ] {
        bob.enters("/clear");
        bob.waits("an empty conversation", |screen| {
            (!screen.rows(18, 60).any(|row| row.contains("│ "))).then_some(())
        });
        bob.enters(line);
        bob.sees(words);
        bob.input_is("›");
    }
    bob.enters("/help");
    bob.sees("keys                       show the keys");
    bob.enters("/help join");
    bob.sees("subscribe");
    bob.enters("/call upper some words");
    let asked = upper.event();
    let id = asked.get("request_id").as_str().expect("a request has a number").to_owned();
    upper.ask(&format!("respond {id} SOME WORDS")).ok();
    bob.sees("SOME WORDS");
}

#[test]
fn a_person_answers_what_a_script_asks() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    bob.enters("/serve approve says yes or no");
    bob.sees("serving approve");
    let mut eve = hub.named(Encoding::Json, "eve");
    eve.say("request approve deploy 512?");
    lists(&bob, 1, "(hub) 1!");
    bob.presses("alt-1");
    bob.sees("eve asks approve: deploy 512?");
    bob.sees("answer with /respond 1 TEXT");
    bob.enters("/respond 1 go on");
    assert!(eve.reply("request approve").json().to_string().contains("go on"));
}

#[test]
fn whoever_leaves_has_the_terminal_back() {
    let hub = Hub::start();
    let before = hubbub_tests::terminal::Modes::default();
    for leave in ["/quit", "/exit"] {
        let bob = person(&hub, "bob");
        assert_ne!(bob.modes(), before);
        bob.enters(leave);
        assert_eq!(bob.exit_code(), 0);
        bob.is_restored();
        bob.sees_not("ops");
    }
    let mut eve = script(&hub, "eve");
    wait::until("nobody to be there", || (eve.ask("clients").rows().len() == 1).then_some(()));
}
