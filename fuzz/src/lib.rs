//! What the three fuzz targets share: one connection's bytes, decoded whole and in pieces, with the
//! same result, and every command that comes of them asked for its arguments.

use hubbub_shared::command::Command;
use hubbub_shared::encoding::{Decoder, Encoding, Step};
use hubbub_shared::limits::Limits;

/// Limits that short inputs reach.
fn limits() -> Limits {
    Limits { max_line: 256, max_frame: 512, ..Limits::default() }
}

/// Runs one input through the decoder of an encoding. The first byte tells how the rest is cut.
pub fn run(encoding: Encoding, data: &[u8]) {
    let Some((&cut, bytes)) = data.split_first() else { return };
    if bytes.first().is_none_or(|&first| Encoding::of_first_byte(first) != encoding) {
        return;
    }
    let whole = decode(&[bytes]);
    let pieces: Vec<&[u8]> = bytes.chunks(usize::from(cut).max(1)).collect();
    assert_eq!(whole, decode(&pieces), "the units depend on how the bytes arrive");
    for unit in whole.iter().flatten() {
        if let Some(Ok(command)) = encoding.parse(unit) {
            ask(&command);
        }
    }
}

/// The units, and `None` for the refusal that ends the stream.
fn decode(pieces: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
    let (mut decoder, mut unread, mut units) = (Decoder::default(), Vec::new(), Vec::new());
    for piece in pieces {
        unread.extend_from_slice(piece);
        loop {
            match decoder.step(&unread, &limits()) {
                Step::More => break,
                Step::Unit(unit, used) => {
                    units.push(Some(unit.to_vec()));
                    unread.drain(..used);
                }
                Step::Broken(_) => {
                    units.push(None);
                    return units;
                }
            }
        }
        assert!(unread.len() <= 600, "more than a unit is kept");
    }
    units
}

/// Reads every argument in every way.
fn ask(command: &Command<'_>) {
    for arg in command.verb.args {
        let _ = (
            command.text(arg.name),
            command.number(arg.name),
            command.flag(arg.name),
            command.words(arg.name),
        );
    }
}
