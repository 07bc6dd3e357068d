//! Servers that die under full screens: what is told, what stays, and that talking goes on.

use crate::people::{in_ops, listened, lists, script, shows, status, status_has, AtOps};
use hubbub_tests::{hub, wait, Cluster, Encoding, Terminal};

/// A terminal that is to connect to one server of a cluster first.
fn at(cluster: &Cluster, server: usize, name: &str) -> Terminal {
    let servers = cluster.addrs(server);
    let more = ["--name", name, "--join", "ops", "--join", "dev"];
    let terminal = Terminal::builder().server(servers).args(more).start();
    shows(&terminal, "dev");
    terminal.presses("alt-2");
    shows(&terminal, "ops");
    terminal
}

#[test]
fn a_killed_server_costs_neither_the_draft_nor_the_conversation() {
    let mut cluster = Cluster::joined(3);
    let bob = at(&cluster, 0, "bob");
    let ann = at(&cluster, 1, "ann");
    status_has(&bob, " bob@alpha · ");
    status_has(&bob, " · 3 servers");
    let mut eve = script(cluster.hub(2), "eve");
    wait::until("both to listen", || {
        let said = eve.ask("publish dev before");
        said.ok().contains("to 2").then_some(())
    });
    eve.ask("msg bob psst").ok();
    lists(&bob, 4, "@eve 1!");
    bob.enters("all is well");
    ann.sees("bob │ all is well");
    bob.types("half a sentence");
    bob.presses("alt-3");
    bob.input_is("›");
    bob.types("another half");
    bob.presses("alt-2");
    bob.input_is("› half a sentence");
    cluster.kill(0);
    bob.sees("* │ disconnected: ");
    bob.waits("another server in the line of state", |screen| {
        let status = status(screen);
        (status.starts_with(" bob@") && !status.starts_with(" bob@alpha") && status.contains("· connected"))
            .then_some(())
    });
    bob.sees("* │ connected to ");
    bob.sees("no connection for ");
    bob.input_is("› half a sentence");
    status_has(&bob, " · 2 servers");
    bob.presses("enter");
    ann.sees("bob │ half a sentence");
    ann.enters("welcome back");
    bob.sees("ann │ welcome back");
    bob.presses("alt-3");
    bob.input_is("› another half");
    bob.sees("eve │ before");
    bob.sees("─ no connection for ");
    bob.presses("alt-4");
    bob.sees("what was written is lost");
}

#[test]
fn without_any_server_seconds_are_counted_and_typing_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let hub = hub::builder().name("alpha").data_dir(data.path()).start();
    let bob = in_ops(&hub, "bob").at_ops();
    listened(&hub, "ops", 1);
    status_has(&bob, "· connected");
    let (addr, _) = hub.kill();
    status_has(&bob, "no connection for 1 s, trying again");
    bob.input_is("!");
    bob.types("typed in the dark");
    bob.input_is("! typed in the dark");
    status_has(&bob, "no connection for 2 s, trying again");
    let hub = hub::builder().name("alpha").data_dir(data.path()).listen(addr).start();
    status_has(&bob, "· connected");
    bob.sees("* │ connected again to alpha as bob");
    bob.sees("─ no connection for ");
    bob.input_is("› typed in the dark");
    listened(&hub, "ops", 1);
    let mut eve = hub.named(Encoding::Json, "eve");
    eve.ask("publish ops here we are again").ok();
    bob.sees("eve │ here we are again");
    bob.presses("enter");
    wait::until("his word", || {
        (eve.ask("history ops 1").json()["messages"][0]["data"] == "typed in the dark").then_some(())
    });
}

#[test]
fn what_was_missed_is_fetched() {
    let mut cluster = Cluster::joined(2);
    let bob = at(&cluster, 0, "bob");
    let mut eve = script(cluster.hub(1), "eve");
    wait::until("bob to listen", || eve.ask("publish ops one").ok().contains("to 1").then_some(()));
    bob.sees("eve │ one");
    cluster.hub(0).process().pause();
    for word in ["two", "three", "four"] {
        eve.ask(&format!("publish ops {word}")).ok();
    }
    cluster.kill(0);
    bob.sees("* │ connected to beta");
    for word in ["two", "three", "four"] {
        bob.sees(&format!("eve │ {word}"));
    }
    eve.ask("publish ops five").ok();
    bob.sees("eve │ five");
}
