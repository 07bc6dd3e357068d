//! The service `points`: 16 random bytes of the system's secure source, and the two points that they
//! stand for. The door of that name sends the bytes alone.

use hubbub_shared::encoding::Payload;
use hubbub_shared::points::{points, RANDOM};
use hubbub_shared::refusal::{Code, Refusal};
use serde::Serialize;

fn random_bytes() -> Result<[u8; RANDOM], Refusal> {
    let mut bytes = [0; RANDOM];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            log::error!(error:%; "the system has no random bytes");
            Err(Refusal::new(Code::Internal, "the system has no random bytes"))
        }
    }
}

#[derive(Serialize)]
struct Answered {
    bytes: String,
    a: [f64; 2],
    b: [f64; 2],
}

pub(super) fn answer(payload: Payload<'_>) -> Result<String, Refusal> {
    if !matches!(payload, Payload::Text("" | "{}" | "null") | Payload::Json("null" | "{}" | "\"\"")) {
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
    fn an_answer_has_bytes_and_their_points() {
        let hex = |payload| {
            let answered = answer(payload).expect("an answer");
            let hex = answered.split('"').nth(3).expect("the bytes").to_owned();
            let mut bytes = [0; 16];
            for (n, byte) in bytes.iter_mut().enumerate() {
                *byte = u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex digits");
            }
            let [[x0, y0], [x1, y1]] = points(&bytes);
            assert_eq!(answered, format!(r#"{{"bytes":"{hex}","a":[{x0:?},{y0:?}],"b":[{x1:?},{y1:?}]}}"#));
            hex
        };
        assert_ne!(hex(Payload::Json("null")), hex(Payload::Text("")));
        for payload in [Payload::Text("x"), Payload::Json("1"), Payload::Json("[]")] {
            assert!(answer(payload).is_err());
        }
    }
}
