//! Subscriptions in a group: each message goes to one member, and to everyone outside of it.

use hubbub_tests::{in_every_encoding, Client, Encoding, Hub};

in_every_encoding!(
    each_message_goes_to_one_member_of_a_group,
    a_group_of_a_pattern_shares_too,
    subscribing_again_replaces_the_group,
);

/// Messages that have come to each.
fn counts(clients: &mut [Client]) -> Vec<usize> {
    clients.iter_mut().map(|c| c.events_so_far().len()).collect()
}

fn share(encoding: Encoding, pattern: &str, channel: &str) {
    let hub = Hub::start();
    let mut members: Vec<Client> = (0..3).map(|_| hub.client(encoding)).collect();
    for member in &mut members {
        member.ask(&format!("subscribe {pattern} group=workers")).ok();
    }
    let mut others: Vec<Client> = (0..2).map(|_| hub.client(encoding)).collect();
    others[0].ask(&format!("subscribe {pattern}")).ok();
    others[1].ask(&format!("subscribe {pattern} group=lonely")).ok();
    let mut writer = hub.client(encoding);
    for _ in 0..30 {
        assert_eq!(writer.ask(&format!("publish {channel} job")).ok(), format!("published {channel} to 3"));
    }
    let shares = counts(&mut members);
    assert_eq!(shares.iter().sum::<usize>(), 30, "{shares:?}");
    assert!(shares.iter().all(|n| *n > 0), "everyone gets a share: {shares:?}");
    assert_eq!(counts(&mut others), [30, 30]);

    members.pop().unwrap().ask("close").ok();
    for _ in 0..10 {
        writer.ask(&format!("publish {channel} job")).ok();
    }
    let shares = counts(&mut members);
    assert_eq!(shares.iter().sum::<usize>(), 10, "those who stay take over: {shares:?}");
}

fn each_message_goes_to_one_member_of_a_group(encoding: Encoding) {
    share(encoding, "jobs", "jobs");
}

fn a_group_of_a_pattern_shares_too(encoding: Encoding) {
    share(encoding, "jobs.*", "jobs.new");
}

fn subscribing_again_replaces_the_group(encoding: Encoding) {
    let hub = Hub::start();
    let mut members: Vec<Client> = (0..2).map(|_| hub.client(encoding)).collect();
    for member in &mut members {
        member.ask("subscribe jobs group=workers").ok();
    }
    let mut writer = hub.client(encoding);
    assert_eq!(writer.ask("publish jobs one").ok(), "published jobs to 1");
    members[0].ask("subscribe jobs").ok();
    assert_eq!(writer.ask("publish jobs two").ok(), "published jobs to 2");
    members[1].ask("subscribe group=others jobs").ok();
    members[0].ask("subscribe jobs group=others").ok();
    assert_eq!(writer.ask("publish jobs three").ok(), "published jobs to 1");
    assert_eq!(counts(&mut members).iter().sum::<usize>(), 4);
    members[0].ask("unsubscribe jobs").ok();
    members[1].ask("unsubscribe jobs").ok();
    assert_eq!(writer.ask("publish jobs four").ok(), "published jobs to 0");
}
