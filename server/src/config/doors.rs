//! The options of the doors: which are open, and where.

use super::values::{self, Parsed};
use super::{beyond, Stage};
use crate::doors::{Door, DOORS};
use hubbub_shared::names::quote;
use std::net::{Ipv4Addr, SocketAddr};

/// Which doors are open, and where.
pub type Doors = Vec<(&'static Door, SocketAddr)>;

impl Stage {
    pub(super) fn doors(&mut self, insecure: bool) -> Doors {
        let all = self.take("doors", false, all_or_none, |all| if *all { "all" } else { "none" }.to_owned());
        let given = self.take("door", Doors::new(), doors, show);
        for (door, addr) in &given {
            if beyond(*addr) && !insecure {
                let why = format!(
                    "{}={addr} can be reached from other machines, and the door's clients do not authenticate: \
                     let it listen on 127.0.0.1, or add --insecure where you trust the whole network",
                    door.known.name
                );
                self.refuse("door", why);
            }
        }
        let is_given = |door: &Door| given.iter().any(|(other, _)| other.known.name == door.known.name);
        let usual = DOORS.iter().filter(|door| all && !is_given(door)).map(|door| (door, door.known.addr()));
        usual.chain(given.iter().copied()).collect()
    }
}

fn all_or_none(text: &str) -> Parsed<bool> {
    match text.trim() {
        "all" => Ok(true),
        "none" => Ok(false),
        other => {
            Err(format!("{}: all or none; one by one they are --door {}", quote(other), names(" or --door ")))
        }
    }
}

fn doors(text: &str) -> Parsed<Doors> {
    let mut doors = Doors::new();
    for one in text.split(',') {
        let (door, addr) = door(one.trim())?;
        if doors.iter().any(|(other, _): &(&Door, _)| other.known.name == door.known.name) {
            return Err(format!("{} is there twice: a door has one address", door.known.name));
        }
        doors.push((door, addr));
    }
    Ok(doors)
}

/// `NAME` or `NAME=ADDR`; a bare port is one of this machine.
fn door(text: &str) -> Parsed<(&'static Door, SocketAddr)> {
    let (name, addr) = text.split_once('=').map_or((text, None), |(name, addr)| (name, Some(addr)));
    let door = Door::find(name.trim()).ok_or_else(|| {
        format!("{}: there is no such door; the doors are {}", quote(name.trim()), names(", "))
    })?;
    let addr = match addr.map(str::trim) {
        None => door.known.addr(),
        Some(addr) => match addr.parse() {
            Ok(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            Err(_) => values::listen(door.known.port)(addr)?,
        },
    };
    Ok((door, addr))
}

fn names(between: &str) -> String {
    DOORS.iter().map(|door| door.known.name).collect::<Vec<_>>().join(between)
}

fn show(doors: &Doors) -> String {
    if doors.is_empty() {
        return "none".into();
    }
    doors.iter().map(|(door, addr)| format!("{}={addr}", door.known.name)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_a_name_with_or_without_an_address() {
        let told = |text| doors(text).map(|doors| show(&doors));
        assert_eq!(told("blob"), Ok("blob=127.0.0.1:9500".into()));
        assert_eq!(told("blob=127.0.0.2:1"), Ok("blob=127.0.0.2:1".into()));
        assert_eq!(told(" blob = 0 "), Ok("blob=127.0.0.1:0".into()));
        assert!(told("blob,blob=1").expect_err("twice").contains("twice"));
        assert!(told("blubb").expect_err("unknown").contains("the doors are blob"));
        assert!(told("blob=x").expect_err("no address").contains("127.0.0.1:9500"));
        assert_eq!((all_or_none("all"), all_or_none("none")), (Ok(true), Ok(false)));
        assert!(all_or_none("blob").expect_err("a name").contains("--door blob"));
    }
}
