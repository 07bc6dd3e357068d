//! The service `points`: 16 random bytes of the system's secure source, and the two points that they
//! stand for. The bytes alone are also for the door of that name.

use hubbub_shared::encoding::Payload;
use hubbub_shared::refusal::{Code, Refusal};
use serde::Serialize;

/// Random bytes for two points.
pub fn random_bytes() -> Result<[u8; 16], Refusal> {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            log::error!(error:%; "the system has no random bytes");
            Err(Refusal::new(Code::Internal, "the system has no random bytes"))
        }
    }
}

/// The points that bytes stand for: four unsigned 32-bit integers, each with its lowest byte first, and
/// each mapped linearly onto [-1, 1].
pub fn points(bytes: &[u8; 16]) -> [[f64; 2]; 2] {
    let coordinate = |at: usize| {
        let integer = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        f64::from(integer) / f64::from(u32::MAX) * 2.0 - 1.0
    };
    [[coordinate(0), coordinate(4)], [coordinate(8), coordinate(12)]]
}

#[derive(Serialize)]
struct Answered {
    bytes: String,
    a: [f64; 2],
    b: [f64; 2],
}

pub(super) fn answer(payload: Payload<'_>) -> Result<String, Refusal> {
    if !matches!(payload, Payload::Text("") | Payload::Json("null" | "{}")) {
        return Err(Refusal::bad_argument("points takes nothing: leave the data out, or say null"));
    }
    let bytes = random_bytes()?;
    let [a, b] = points(&bytes);
    let answered = Answered { bytes: bytes.iter().map(|byte| format!("{byte:02x}")).collect(), a, b };
    serde_json::to_string(&answered).map_err(|e| Refusal::new(Code::Internal, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_become_numbers_from_minus_one_to_one() {
        let mut bytes = [0; 16];
        bytes[4..8].fill(255);
        bytes[8..12].copy_from_slice(&[0, 0, 0, 128]); // a little above the middle
        bytes[12..16].copy_from_slice(&[255, 255, 255, 127]); // a little below
        let [[x0, y0], [x1, y1]] = points(&bytes);
        assert_eq!((x0, y0), (-1.0, 1.0));
        assert!(x1 > 0.0 && x1 < 1e-9 && y1 < 0.0 && y1 > -1e-9, "{x1} {y1}");
    }

    #[test]
    fn an_answer_has_bytes_and_their_points() {
        let read = |payload| -> serde_json::Value {
            serde_json::from_str(&answer(payload).expect("an answer")).expect("JSON")
        };
        let answered = read(Payload::Json("null"));
        let hex = answered["bytes"].as_str().expect("a text");
        assert_eq!(hex.len(), 32);
        let mut bytes = [0; 16];
        for (n, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex digits");
        }
        assert_eq!(serde_json::json!(points(&bytes)), serde_json::json!([answered["a"], answered["b"]]));
        assert_ne!(answered["bytes"], read(Payload::Text(""))["bytes"]);
        for payload in [Payload::Text("x"), Payload::Json("1"), Payload::Json("[]")] {
            assert!(answer(payload).is_err());
        }
    }
}
