//! The points system: the 81 bytes that its door sends, and the points that the random ones among them
//! stand for. Protocol.

/// What the door sends: no byte more, no byte less.
pub const LENGTH: usize = 81;
/// Random bytes among them.
pub const RANDOM: usize = 16;
/// What stands before the random bytes.
pub const BEFORE: &[u8; 34] = b"You requested some random bytes:\n\n";
/// What stands behind them.
pub const BEHIND: &[u8; 31] = b"  \n\nYou want fries with that?\n\n";
/// Where the random bytes begin.
pub const START: usize = BEFORE.len();
/// Where they have ended.
pub const END: usize = START + RANDOM;

/// What the door sends for these random bytes.
pub fn frame(random: &[u8; RANDOM]) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..START].copy_from_slice(BEFORE);
    bytes[START..END].copy_from_slice(random);
    bytes[END..].copy_from_slice(BEHIND);
    bytes
}

/// The two points that random bytes stand for: four unsigned 32-bit integers, each with its lowest byte
/// first, and each mapped linearly onto [-1, 1].
pub fn points(random: &[u8; RANDOM]) -> [[f64; 2]; 2] {
    let coordinate = |at: usize| {
        let integer = u32::from_le_bytes([random[at], random[at + 1], random[at + 2], random[at + 3]]);
        f64::from(integer) / f64::from(u32::MAX) * 2.0 - 1.0
    };
    [[coordinate(0), coordinate(4)], [coordinate(8), coordinate(12)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_bytes_stand_from_the_34th_to_the_49th() {
        let random = std::array::from_fn(|n| n as u8);
        let bytes = frame(&random);
        assert_eq!((bytes.len(), &bytes[34..50]), (81, &random[..]));
        assert!(bytes.starts_with(b"You requested some random bytes:\n\n"));
        assert!(bytes.ends_with(b"  \n\nYou want fries with that?\n\n"));
    }

    #[test]
    fn integers_become_numbers_from_minus_one_to_one() {
        let mut bytes = [0; RANDOM];
        bytes[4..8].fill(255);
        bytes[8..12].copy_from_slice(&[0, 0, 0, 128]); // a little above the middle
        bytes[12..16].copy_from_slice(&[255, 255, 255, 127]); // a little below
        let [[x0, y0], [x1, y1]] = points(&bytes);
        assert_eq!((x0, y0), (-1.0, 1.0));
        assert!(x1 > 0.0 && x1 < 1e-9 && y1 < 0.0 && y1 > -1e-9, "{x1} {y1}");
    }
}
