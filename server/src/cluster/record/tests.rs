//! Records in any pieces, and what becomes of those that somebody touched.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn ends() -> (Seal, Open) {
    let (seal, _) = Session::sealed(1, [7; 32], [8; 32]).records();
    let (_, open) = Session::sealed(1, [8; 32], [7; 32]).records();
    (seal, open)
}

/// Each message in a record of its own.
fn sealed(messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut seal, _) = ends();
    let record = |message: &Vec<u8>| {
        let mut out = Vec::new();
        seal.seal([&message[..]], &mut out);
        out
    };
    messages.iter().map(record).collect()
}

/// What opens of a stream, and whether all of it was in order.
fn opened(stream: &[u8]) -> (Vec<u8>, Result<(), Broken>) {
    let ((_, mut open), mut out) = (ends(), Vec::new());
    let result = open.push(stream, &mut out).and_then(|()| open.end());
    (out, result)
}

#[test]
fn many_pieces_become_as_few_records_as_they_fit_into() {
    let (mut seal, mut open) = ends();
    let pieces = [vec![1; 40_000], vec![], vec![2; 40_000], vec![3; 120_000]];
    let (mut wire, mut plain) = (Vec::new(), Vec::new());
    seal.seal(pieces.iter().map(Vec::as_slice), &mut wire);
    assert_eq!(wire.len(), 200_000 + 4 * (HEAD + TAG));
    open.push(&wire, &mut plain).expect("untouched");
    assert_eq!(plain, pieces.concat());
    assert_eq!(open.end(), Ok(()));
}

#[test]
fn a_full_record_is_the_last_one_when_nothing_follows() {
    let (mut seal, _) = ends();
    let mut wire = Vec::new();
    seal.seal([&[0; MAX_PLAIN][..]], &mut wire);
    assert_eq!(wire.len(), HEAD + MAX_PLAIN + TAG);
    seal.seal([&[][..]], &mut wire);
    assert_eq!(wire.len(), HEAD + MAX_PLAIN + TAG, "nothing is no record");
}

#[test]
fn a_link_within_the_machine_carries_bytes_as_they_are() {
    let (mut seal, mut open) = Session::plain(1).records();
    assert!(seal.is_plain() && open.is_plain());
    let (mut wire, mut plain) = (Vec::new(), Vec::new());
    seal.seal([&b"hub"[..], b"bub"], &mut wire);
    assert_eq!(wire, b"hubbub");
    open.push(&wire, &mut plain).expect("plain bytes are never wrong");
    assert_eq!((plain, open.end()), (wire, Ok(())));
}

#[test]
fn a_length_that_no_record_has_is_refused_before_its_bytes_come() {
    for length in [0, 1, TAG as u32, (MAX_PLAIN + TAG) as u32 + 1, u32::MAX] {
        let ((_, mut open), mut out) = (ends(), Vec::new());
        assert_eq!(open.push(&length.to_be_bytes(), &mut out), Err(Broken::Length(length)));
        assert_eq!(open.push(b"more", &mut out), Err(Broken::Length(length)), "and it stays so");
    }
}

#[test]
fn what_we_sent_does_not_open_as_what_we_receive() {
    let (mut seal, mut open) = Session::sealed(1, [7; 32], [8; 32]).records();
    let (mut wire, mut out) = (Vec::new(), Vec::new());
    seal.seal([&b"mirror"[..]], &mut wire);
    assert_eq!(open.push(&wire, &mut out), Err(Broken::Forged(0)));
}

#[test]
fn keys_are_not_shown() {
    let session = Session::sealed(3, [0xAB; 32], [0xCD; 32]);
    assert_eq!(format!("{session:?}"), "Session { protocol: 3, is_plain: false, .. }");
}

proptest! {
    #[test]
    fn any_pieces_give_the_same_bytes(
        messages in vec(vec(any::<u8>(), 0..300), 1..12),
        cuts in vec(1usize..400, 1..40),
    ) {
        let wire = sealed(&messages).concat();
        let ((_, mut open), mut out, mut rest) = (ends(), Vec::new(), &wire[..]);
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            prop_assert_eq!(open.push(now, &mut out), Ok(()));
            rest = later;
            if rest.is_empty() { break }
        }
        prop_assert_eq!(out, messages.concat());
        prop_assert_eq!(open.end(), Ok(()));
    }

    #[test]
    fn a_flipped_bit_is_an_error_and_nothing_false_comes_out(
        messages in vec(vec(any::<u8>(), 1..100), 1..6),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut wire = sealed(&messages).concat();
        let at = at.index(wire.len());
        wire[at] ^= 1 << bit;
        let (out, result) = opened(&wire);
        prop_assert!(result.is_err());
        prop_assert!(messages.concat().starts_with(&out));
    }

    #[test]
    fn a_dropped_repeated_or_moved_record_is_an_error(
        messages in vec(vec(any::<u8>(), 1..100), 2..6),
        at in any::<prop::sample::Index>(),
        how in 0..3,
    ) {
        let mut records = sealed(&messages);
        let at = at.index(records.len() - 1); // not the last: a link that ends early is no forgery
        match how {
            0 => drop(records.remove(at)),
            1 => records.insert(at, records[at].clone()),
            _ => records.swap(at, at + 1),
        }
        let (out, result) = opened(&records.concat());
        prop_assert!(result.is_err());
        prop_assert!(messages.concat().starts_with(&out));
    }

    #[test]
    fn a_stream_that_stops_inside_a_record_says_so(
        messages in vec(vec(any::<u8>(), 1..100), 1..4),
        missing in 1usize..17,
    ) {
        let wire = sealed(&messages).concat();
        let (_, result) = opened(&wire[..wire.len() - missing]);
        prop_assert_eq!(result, Err(Broken::Truncated(messages.len() as u64 - 1)));
    }

    #[test]
    fn any_bytes_at_all_are_an_error_or_incomplete(bytes in vec(any::<u8>(), 1..2000)) {
        let (out, result) = opened(&bytes);
        prop_assert!(result.is_err());
        prop_assert!(out.is_empty());
    }
}
