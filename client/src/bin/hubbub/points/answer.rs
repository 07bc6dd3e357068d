//! The 81 bytes of the points door, and the two points in them. Pure.

use std::fmt;

/// What the door sends: no byte more, no byte less.
pub const LENGTH: usize = 81;
/// What stands before the random bytes.
const BEFORE: &[u8; 34] = b"You requested some random bytes:\n\n";
/// What stands after them.
const AFTER: &[u8; 31] = b"  \n\nYou want fries with that?\n\n";
/// Where the random bytes start, and how many there are.
const START: usize = BEFORE.len();
pub const RANDOM: usize = 16;
const END: usize = START + RANDOM;

/// Two points in the square from -1 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Points {
    pub a: [f64; 2],
    pub b: [f64; 2],
}

/// The answer with these random bytes in it.
pub fn answer(random: [u8; RANDOM]) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..START].copy_from_slice(BEFORE);
    bytes[START..END].copy_from_slice(&random);
    bytes[END..].copy_from_slice(AFTER);
    bytes
}

/// Reads an answer that has ended; the error says what is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Points, String> {
    if bytes.is_empty() {
        return Err("it closed the connection without a byte".into());
    }
    for (at, byte) in bytes.iter().enumerate().take(LENGTH) {
        let fixed = match at {
            0..START => BEFORE[at],
            START..END => continue,
            _ => AFTER[at - END],
        };
        if *byte != fixed {
            return Err(format!("this is no points door: byte {at} is {byte:#04x}, not {fixed:#04x}"));
        }
    }
    match bytes.len() {
        LENGTH => {}
        fewer @ ..LENGTH => return Err(format!("it closed the connection after {fewer} of {LENGTH} bytes")),
        _ => return Err(format!("it sends more than the {LENGTH} bytes of a points door")),
    }
    let number = |n: usize| {
        let at = START + 4 * n;
        on_axis(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
    };
    Ok(Points { a: [number(0), number(1)], b: [number(2), number(3)] })
}

/// The random bytes of a whole answer.
pub fn random(bytes: &[u8]) -> [u8; RANDOM] {
    let mut random = [0; RANDOM];
    random.copy_from_slice(&bytes[START..END]);
    random
}

/// The least number becomes -1 and the greatest 1.
fn on_axis(number: u32) -> f64 {
    f64::from(number) / f64::from(u32::MAX) * 2.0 - 1.0
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([ax, ay], [bx, by]) = (self.a, self.b);
        writeln!(f, "First point:  A ( {ax:.12}, {ay:.12} )")?;
        writeln!(f, "Second point: B ( {bx:.12}, {by:.12} )")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: [u32; 4]) -> [u8; LENGTH] {
        let mut random = [0; RANDOM];
        for (bytes, number) in random.chunks_exact_mut(4).zip(numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        answer(random)
    }

    #[test]
    fn the_documents_points_are_read_from_their_bytes() {
        let bytes = of([853_531_890, 3_646_191_456, 2_673_400_256, 1_713_150_221]);
        assert_eq!(bytes.len(), 81);
        assert!(bytes.starts_with(b"You requested some random bytes:\n\n"));
        assert!(bytes.ends_with(b"  \n\nYou want fries with that?\n\n"));
        assert_eq!(
            read(&bytes).expect("an answer").to_string(),
            "First point:  A ( -0.602543241252, 0.697890207567 )\n\
             Second point: B ( 0.244899004988, -0.202252262552 )\n"
        );
    }

    #[test]
    fn the_ends_of_the_axis_are_reached() {
        let points = read(&of([0, u32::MAX, 1 << 31, 0])).expect("an answer");
        assert_eq!(points.a, [-1.0, 1.0]);
        assert!(points.b[0].abs() < 1e-9);
    }

    #[test]
    fn every_fixed_byte_counts_and_no_random_one() {
        let right = of([1, 2, 3, 4]);
        for at in 0..LENGTH {
            let mut bytes = right;
            bytes[at] ^= 0x20;
            assert_eq!(read(&bytes).is_ok(), (START..END).contains(&at), "{at}");
        }
        for cut in 0..LENGTH {
            let why = read(&right[..cut]).expect_err("it is cut");
            assert!(why.contains("closed the connection"), "{why}");
        }
        let more = read(&[&right[..], b"x"].concat()).expect_err("it is too long");
        assert!(more.contains("more than the 81 bytes"), "{more}");
        let other = read(b"ok 1 hubbub").expect_err("it is something else");
        assert!(other.contains("byte 0 is 0x6f, not 0x59"), "{other}");
    }
}
