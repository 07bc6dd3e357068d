//! What the hub for tests says in frames: the persistent dialect, with the services `echo`, `later`
//! (the same, but it answers only when something else is asked) and `more` (the same, with one more member
//! behind the data). Pure.

use hubbub_shared::encoding::Payload;
use hubbub_shared::persistent::{
    classes, number, push_answer, push_error, Form, Message, CLOSE, OPEN, PING, SHUTDOWN,
};
use hubbub_shared::Code;

/// What a hub knows of one connection in the dialect.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    form: Option<Form>,
    /// An answer that waits for the next request.
    held: Vec<u8>,
    /// Pings so far.
    pub(super) pings: u64,
}

impl Conversation {
    /// Takes in a frame's body. Returns what is said to it, and whether that was the end.
    pub(super) fn take_in(&mut self, body: &[u8]) -> (Vec<u8>, bool) {
        let mut out = std::mem::take(&mut self.held);
        let form = *self.form.get_or_insert_with(|| Form::of_first(body).unwrap_or(Form::Plain));
        let text = String::from_utf8_lossy(body);
        let message = match Message::read(&text, form) {
            Ok(message) => message,
            Err(refusal) => {
                push_error(form, number(refusal.code), &refusal.message, &mut out);
                return (out, false);
            }
        };
        let payload = message.payload();
        let asks = message.asks().unwrap_or_default();
        let (Some(title), before) = (message.answer(), out.len()) else {
            push_error(form, number(Code::NoSuchService), "no such request", &mut out);
            return (out, false);
        };
        match &*asks {
            OPEN => {
                let opened = r#"{"status":"OK","process_id":5}"#;
                push_answer(form, &title, Payload::Json(opened), &mut out);
            }
            PING | CLOSE => {
                self.pings += u64::from(asks == PING);
                push_answer(form, &title, Payload::Json("null"), &mut out);
            }
            SHUTDOWN => push_error(form, number(Code::NotAllowed), "not here", &mut out),
            "echo" | "later" => push_answer(form, &title, Payload::Json(&payload), &mut out),
            "more" => {
                let answer = format!(r#"{{"{}":"{title}","data":{payload},"more":[1]}}"#, form.key());
                out.extend_from_slice(&(answer.len() as u32).to_be_bytes());
                out.extend_from_slice(answer.as_bytes());
            }
            _ => push_error(form, number(Code::NoSuchService), "nobody offers that", &mut out),
        }
        if asks == "later" {
            self.held = out.split_off(before);
        }
        let over = asks == CLOSE;
        (out, over)
    }

    /// The last words to a client that did not ask for them; none where it never spoke in frames.
    pub(super) fn goodbye(&self) -> Option<Vec<u8>> {
        let form = self.form?;
        let title = match form {
            Form::Plain => "close-res".to_owned(),
            Form::Pickle => classes::answer_class(classes::MODULES, "Close"),
        };
        let mut out = Vec::new();
        push_answer(form, &title, Payload::Json("null"), &mut out);
        Some(out)
    }
}
