//! The persistent dialect on the client port, row by row of its table, in raw bytes and in both forms:
//! plain, and as jsonpickle writes it.

mod endings;
mod hostile;
mod library;
mod services;

use hubbub_tests::wire::frame;
use hubbub_tests::{Encoding, Hub, Socket};

/// How a connection is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Pickle,
}

const FORMS: [Form; 2] = [Form::Plain, Form::Pickle];

impl Form {
    /// A request with data as JSON. The stem is that of the class: `Open`, `UUID`.
    fn request(self, stem: &str, data: &str) -> String {
        match self {
            Form::Plain => format!(r#"{{"name":"{}-req","data":{data}}}"#, stem.to_ascii_lowercase()),
            Form::Pickle => {
                format!(r#"{{"py/object": "pc_protocol.mrequests.{stem}Request", "data": {data}}}"#)
            }
        }
    }

    /// An answer; members are those of an object as they stand between its braces.
    fn answer(self, stem: &str, members: &str) -> String {
        match self {
            Form::Plain => self.bare_answer(stem, &format!("{{{members}}}")),
            Form::Pickle => {
                let class = format!("pc_protocol.mresponses.{stem}Response");
                self.bare_answer(stem, &format!(r#"{{"py/object": "{class}.{stem}Data", {members}}}"#))
            }
        }
    }

    /// An answer whose data is no object.
    fn bare_answer(self, stem: &str, data: &str) -> String {
        match self {
            Form::Plain => format!(r#"{{"name":"{}-res","data":{data}}}"#, stem.to_ascii_lowercase()),
            Form::Pickle => {
                format!(r#"{{"py/object": "pc_protocol.mresponses.{stem}Response", "data": {data}}}"#)
            }
        }
    }

    fn error(self, code: u16, description: &str) -> String {
        match self {
            Form::Plain => {
                format!(r#"{{"name":"error","data":{{"code":{code},"description":"{description}"}}}}"#)
            }
            Form::Pickle => format!(
                r#"{{"py/object": "pc_protocol.error.ErrorResponse", "data": {{"py/object": "pc_protocol.error.ErrorResponse.ErrorData", "code": {code}, "description": "{description}"}}}}"#
            ),
        }
    }

    fn opened(self, hub: &Hub) -> String {
        let pid = hub.process().0;
        match self {
            Form::Plain => self.answer("Open", &format!(r#""status":"OK","process_id":{pid}"#)),
            Form::Pickle => self.answer("Open", &format!(r#""status": "OK", "process_id": {pid}"#)),
        }
    }
}

/// One connection.
struct Talk {
    form: Form,
    socket: Socket,
}

impl Talk {
    fn connect(hub: &Hub, form: Form) -> Talk {
        Talk { form, socket: hub.socket() }
    }

    /// A connection that is open.
    fn open(hub: &Hub, form: Form) -> Talk {
        let mut talk = Talk::connect(hub, form);
        talk.ask("Open", "null");
        talk.hears(&form.opened(hub));
        talk
    }

    fn say(&mut self, body: impl AsRef<[u8]>) {
        self.socket.send(frame(body.as_ref()));
    }

    fn ask(&mut self, stem: &str, data: &str) {
        self.say(self.form.request(stem, data));
    }

    /// The next frame, or none at the end.
    fn next(&mut self) -> Option<String> {
        self.socket.frame().map(|body| String::from_utf8(body).unwrap())
    }

    #[track_caller]
    fn hears(&mut self, expected: &str) {
        assert_eq!(self.next().as_deref(), Some(expected));
    }

    #[track_caller]
    fn hears_error(&mut self, code: u16, description: &str) {
        let error = self.form.error(code, description);
        self.hears(&error);
    }

    /// An error of which only a part of the words is known.
    #[track_caller]
    fn hears_error_about(&mut self, code: u16, part: &str) {
        let said = self.next().expect("an error");
        let start = self.form.error(code, "");
        let start = start.trim_end_matches(['"', '}']);
        assert!(said.starts_with(start) && said.contains(part), "{said}");
    }

    #[track_caller]
    fn is_over(&mut self) {
        assert_eq!(self.next(), None);
    }

    /// Still there, and nothing was said before.
    #[track_caller]
    fn is_alive(&mut self) {
        self.ask("Ping", "null");
        let pong = self.form.bare_answer("Ping", "null");
        self.hears(&pong);
    }
}

#[test]
fn a_connection_is_opened_pinged_and_closed() {
    let hub = Hub::start();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        talk.ask("Ping", "null");
        talk.hears(&form.bare_answer("Ping", "null"));
        // An open again is another one, and data where none is wanted is passed over.
        talk.ask("Open", r#"{"x":1}"#);
        talk.hears(&form.opened(&hub));
        talk.ask("Close", "null");
        talk.hears(&form.bare_answer("Close", "null"));
        talk.is_over();
    }
}

#[test]
fn the_bytes_are_those_of_the_old_server() {
    let hub = Hub::start();
    let pid = hub.process().0;
    let mut talk = Talk::connect(&hub, Form::Plain);
    talk.say(r#"{"name":"open","data":null}"#);
    talk.hears(&format!(r#"{{"name":"open-res","data":{{"status":"OK","process_id":{pid}}}}}"#));
    let mut talk = Talk::connect(&hub, Form::Pickle);
    talk.say(r#"{"py/object": "pc_protocol.mrequests.OpenRequest", "data": null}"#);
    talk.hears(&format!(
        r#"{{"py/object": "pc_protocol.mresponses.OpenResponse", "data": {{"py/object": "pc_protocol.mresponses.OpenResponse.OpenData", "status": "OK", "process_id": {pid}}}}}"#
    ));
    talk.say(r#"{"py/object": "pc_protocol.mrequests.NonsenseRequest", "data": null}"#);
    talk.hears(
        r#"{"py/object": "pc_protocol.error.ErrorResponse", "data": {"py/object": "pc_protocol.error.ErrorResponse.ErrorData", "code": 404, "description": "nobody offers nonsense; services lists what there is"}}"#,
    );
}

#[test]
fn classes_keep_their_modules() {
    let hub = Hub::start();
    for (request, answer) in [("a.b.prequests", "a.b.presponses"), ("requests", "responses")] {
        let mut talk = Talk::connect(&hub, Form::Pickle);
        talk.say(format!(r#"{{"py/object": "{request}.OpenRequest"}}"#));
        assert!(talk.next().unwrap().starts_with(&format!(r#"{{"py/object": "{answer}.OpenResponse", "#)));
        talk.say(format!(r#"{{"py/object": "{request}.ReverseRequest", "data": "abc"}}"#));
        talk.hears(&format!(r#"{{"py/object": "{answer}.ReverseResponse", "data": "cba"}}"#));
    }
}

#[test]
fn the_first_message_must_be_an_open() {
    let hub = Hub::start();
    for form in FORMS {
        for (stem, name) in [("Ping", "ping-req"), ("UUID", "uuid-req"), ("Close", "close-req")] {
            let mut talk = Talk::connect(&hub, form);
            talk.ask(stem, "null");
            talk.hears_error(400, &format!("Invalid open request: {name}"));
            talk.is_over();
        }
        let mut talk = Talk::connect(&hub, form);
        let (key, long) = (if form == Form::Plain { "name" } else { "py/object" }, "x".repeat(300));
        talk.say(format!(r#"{{"{key}":"{long}"}}"#));
        talk.hears_error(400, &format!("Invalid open request: {}…", "x".repeat(64)));
        talk.is_over();
    }
    let mut talk = Talk::connect(&hub, Form::Plain);
    talk.say(r#"{"name":"say \"hi\""}"#);
    talk.hears(r#"{"name":"error","data":{"code":400,"description":"Invalid open request: say \"hi\""}}"#);
    talk.is_over();
}

#[test]
fn anything_else_is_an_error_and_the_connection_goes_on() {
    let hub = Hub::start();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        talk.ask("Nonsense", "null");
        talk.hears_error(404, "nobody offers nonsense; services lists what there is");
        let key = if form == Form::Plain { "name" } else { "py/object" };
        for title in ["nonsense", "os.system", "open-res", ""] {
            talk.say(format!(r#"{{"{key}":"{title}"}}"#));
            talk.hears_error(404, &format!("there is no request {title}"));
        }
        talk.is_alive();
    }
}

#[test]
fn the_clients_of_the_dialect_are_clients_like_any_other() {
    let hub = Hub::start();
    for form in FORMS {
        let mut watcher = hub.client(Encoding::Json);
        let mut talk = Talk::open(&hub, form);
        let port = talk.socket.local_addr().port();
        let clients = watcher.ask("clients").json()["clients"].clone();
        let mine = |c: &&serde_json::Value| c["port"] == port;
        let row = clients.as_array().unwrap().iter().find(mine).unwrap().clone();
        assert_eq!(row["encoding"], "persistent");
        let name = row["name"].as_str().unwrap();
        assert_eq!(watcher.ask(&format!("msg {name} hello")).code(), "not-allowed");
        talk.is_alive();
        talk.ask("Close", "null");
        talk.hears(&form.bare_answer("Close", "null"));
        talk.is_over();
        let closed = watcher.ask("clients closed").json()["clients"][0].clone();
        assert_eq!((&closed["port"], &closed["reason"]), (&port.into(), &"closed by client".into()));
        assert_eq!(closed["encoding"], "persistent");
    }
}
