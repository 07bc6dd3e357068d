//! The service `echo`: whatever it is asked, as it was written.

use hubbub_shared::encoding::{json, Payload};
use hubbub_shared::refusal::Refusal;

pub(super) fn answer(payload: Payload<'_>) -> Result<String, Refusal> {
    let mut out = Vec::new();
    json::push_payload(payload, &mut out);
    Ok(String::from_utf8_lossy(&out).into_owned())
}
