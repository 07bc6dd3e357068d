//! Reads the 81 bytes of the points door, and shows the two points in them. Pure.

use crate::door::Broken;
use hubbub_shared::points::{points, BEFORE, BEHIND, END, LENGTH, RANDOM, START};
use std::fmt;

/// Two points in the square from -1 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Points {
    pub a: [f64; 2],
    pub b: [f64; 2],
}

/// Reads an answer that has ended; the error says what is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Points, Broken> {
    let wrong = |what| Err(Broken::Wrong(what));
    if bytes.is_empty() {
        return Err(Broken::Closed);
    }
    for (at, byte) in bytes.iter().enumerate().take(LENGTH) {
        let fixed = match at {
            0..START => BEFORE[at],
            START..END => continue,
            _ => BEHIND[at - END],
        };
        if *byte != fixed {
            return wrong(format!("this is no points door: byte {at} is {byte:#04x}, not {fixed:#04x}"));
        }
    }
    match bytes.len() {
        LENGTH => {}
        fewer @ ..LENGTH => {
            return Err(Broken::Cut(format!("it closed the connection after {fewer} of {LENGTH} bytes")))
        }
        _ => return wrong(format!("it sends more than the {LENGTH} bytes of a points door")),
    }
    let [a, b] = points(&random(bytes));
    Ok(Points { a, b })
}

/// The random bytes of a whole answer.
pub fn random(bytes: &[u8]) -> [u8; RANDOM] {
    let mut random = [0; RANDOM];
    random.copy_from_slice(&bytes[START..END]);
    random
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
    use hubbub_shared::points::frame;

    fn of(numbers: [u32; 4]) -> [u8; LENGTH] {
        let mut random = [0; RANDOM];
        for (bytes, number) in random.chunks_exact_mut(4).zip(numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        frame(&random)
    }

    #[test]
    fn the_documents_points_are_read_from_their_bytes() {
        let bytes = of([853_531_890, 3_646_191_456, 2_673_400_256, 1_713_150_221]);
        assert_eq!(
            read(&bytes).expect("an answer").to_string(),
            "First point:  A ( -0.602543241252, 0.697890207567 )\n\
             Second point: B ( 0.244899004988, -0.202252262552 )\n"
        );
    }

    #[test]
    fn every_fixed_byte_counts_and_no_random_one() {
        let right = of([1, 2, 3, 4]);
        for at in 0..LENGTH {
            let mut bytes = right;
            bytes[at] ^= 0x20;
            assert_eq!(read(&bytes).is_ok(), (START..END).contains(&at), "{at}");
        }
        assert!(matches!(read(&[]), Err(Broken::Closed)));
        for cut in 1..LENGTH {
            let why = read(&right[..cut]).expect_err("it is cut");
            assert!(matches!(&why, Broken::Cut(why) if why.contains("closed the connection")), "{why:?}");
        }
        let wrong = |bytes: &[u8], what: &str| {
            let why = read(bytes).expect_err("it is wrong");
            assert!(matches!(&why, Broken::Wrong(why) if why.contains(what)), "{why:?}");
        };
        wrong(&[&right[..], b"x"].concat(), "more than the 81 bytes");
        wrong(b"ok 1 hubbub", "byte 0 is 0x6f, not 0x59");
    }
}
