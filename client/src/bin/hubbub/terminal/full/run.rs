//! The loop of the full screen: keys, signals, what was done, what arrives and the time, each handed to
//! the state; its effects done; a frame drawn when something changed, and no more often than the eye
//! can see.

use super::app::{Answer, App, Came, Effect, Me, Question};
use super::ask::ask;
use super::config::{self, Config};
use super::conversation::Kind;
use super::remember::{Memory, Remembered};
use super::screen::{self, Screen, Wants};
use super::theme::Theme;
use crate::cli::Globals;
use crate::connect::Lost;
use crate::exit::{Exit, Failure};
use crate::output::aside;
use crate::terminal::history::{is_secret, History};
use crate::terminal::inbox::Arrival;
use crate::terminal::line::Target;
use crate::terminal::session::{Outcome, Session, Started};
use crate::terminal::TerminalArgs;
use async_channel::Receiver;
use async_io::Timer;
use async_signal::{Signal, Signals};
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use hubbub_shared::names::Pattern;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Messages that the library keeps while the terminal is behind. Ten times its default: a terminal
/// over a slow line may stand still for seconds.
const QUEUE: usize = 1_000_000;
/// How often the time is told to the state.
const TICK: Duration = Duration::from_millis(250);
/// How long what arrives is taken in before keys are looked at again. A guess: a quarter of a frame.
const SPELL: Duration = Duration::from_millis(3);
/// How long an end that was asked for by a signal may take: the goodbye to the hub included. A guess.
const GRACE: Duration = Duration::from_secs(3);
/// Keys that are taken in before a frame is drawn: a paste into a terminal that does not mark pastes.
const MAX_KEYS: usize = 512;

/// Questions that wait for their answers at a time: after a reconnect there are two for each channel,
/// and each goes to all servers. A guess.
const MAX_ASKING: usize = 8;

/// A line that is being done.
struct Done {
    alone: bool,
    /// Whether there was no connection when it began.
    offline: bool,
    line: String,
    target: Option<Target>,
    from: Kind,
    outcome: Outcome,
}

type Doing = LocalBoxFuture<'static, Done>;

/// Talks until the person ends it.
pub async fn run(globals: &Globals, args: TerminalArgs) -> Result<Exit, Failure> {
    let config = config::load(args.config.as_deref())?;
    let mut globals = globals.clone();
    globals.name = globals.name.or_else(|| config.name.clone());
    let signals = watch_signals()?;
    let client = globals.connect_with(Lost::Reconnect, |o| o.queue(QUEUE)).await?;
    let session = Session::full(client, &globals);
    let (memory, left) = Memory::open(&globals.server);
    let (joins, given) = joins(&config, &args, &left)?;
    let name = |pattern: &Pattern| pattern.as_str().to_owned();
    let given = given.last().map(name);
    let wanted = given.into_iter().chain(left.current.clone()).chain(joins.first().map(name)).collect();
    let theme = Theme::new(config.theme, |name| std::env::var(name).ok());
    let wants = Wants { mouse: config.mouse, title: config.title };
    let mut app = App::new(config, theme, me(&session), now());
    app.greet(&session.client().server().version);
    let (history, typed) = History::open();
    app.typed = typed;
    let screen = Screen::open(wants).map_err(unusable)?;
    let mut shell = Shell {
        app,
        session,
        screen,
        signals,
        history,
        memory,
        wanted,
        left,
        unjoined: Vec::new(),
        lines: VecDeque::new(),
        doing: FuturesUnordered::new(),
        questions: VecDeque::new(),
        asking: FuturesUnordered::new(),
        alone: false,
        under_way: None,
        restored: false,
        dirty: true,
        due: Instant::now(),
    };
    shell.join(joins);
    let ended = shell.talk().await;
    shell.keep();
    let Shell { app, session, screen, lines, under_way, .. } = shell;
    drop(screen);
    // What was typed and waits for the hub is told where it can still be read.
    for line in under_way.iter().filter(|line| !is_secret(line)) {
        aside(&format!("perhaps not sent: {line}"));
    }
    for (line, ..) in lines.iter().filter(|(line, ..)| !is_secret(line)) {
        aside(&format!("not sent: {line}"));
    }
    if !app.ended {
        session.close().await;
    }
    ended.map_err(unusable)?;
    if app.ended {
        return Err(Failure::new(Exit::NoConnection, "the connection ended"));
    }
    Ok(Exit::Done)
}

fn unusable(error: io::Error) -> Failure {
    Failure::local(format!("the terminal cannot be used: {error}; --plain needs less of it"))
}

/// Tells of the signals that end the process. Where the terminal takes no more bytes, the loop stands
/// still in the middle of a frame: then the process ends without it.
fn watch_signals() -> Result<Receiver<()>, Failure> {
    let failed = |e: io::Error| Failure::local(format!("cannot listen to signals: {e}"));
    let mut signals = Signals::new([Signal::Term, Signal::Hup, Signal::Int]).map_err(failed)?;
    let (tell, told) = async_channel::bounded(1);
    let watch = move || {
        async_io::block_on(signals.next());
        let _ = tell.try_send(());
        std::thread::sleep(GRACE);
        screen::end_at_once();
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).map_err(failed)?;
    Ok(told)
}

fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

fn me(session: &Session) -> Me {
    let hello = session.client().server();
    Me { name: hello.name, server: hello.server, origin: hello.origin }
}

/// What is subscribed to at the start: what the last session left, the file's, the command line's; and
/// the last alone.
fn joins(
    config: &Config,
    args: &TerminalArgs,
    left: &Remembered,
) -> Result<(Vec<Pattern>, Vec<Pattern>), Failure> {
    let parse = |channel: &String| {
        Pattern::parse(channel).map_err(|refusal| Failure::local(format!("--join: {}", refusal.message)))
    };
    let given = args.join.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let mut joins: Vec<Pattern> = Vec::new();
    let before = left.channels.iter().filter(|_| config.rejoin);
    for pattern in before.chain(&config.join).chain(&given) {
        if !joins.contains(pattern) {
            joins.push(pattern.clone());
        }
    }
    Ok((joins, given))
}

struct Shell {
    app: App,
    session: Session,
    screen: Screen,
    signals: Receiver<()>,
    history: History,
    memory: Memory,
    /// What the last session left.
    left: Remembered,
    /// The conversations that might be shown first, the dearest in front.
    wanted: Vec<String>,
    /// Channels that could not be joined at the start: they are tried again next time.
    unjoined: Vec<Pattern>,
    lines: VecDeque<(String, Option<Target>, Kind)>,
    doing: FuturesUnordered<Doing>,
    questions: VecDeque<Question>,
    asking: FuturesUnordered<LocalBoxFuture<'static, Answer>>,
    /// Whether a line is being done for which all others wait.
    alone: bool,
    /// That line.
    under_way: Option<String>,
    /// Whether what the last session left is here again.
    restored: bool,
    /// Whether something changed since the last frame.
    dirty: bool,
    /// When the next frame may be drawn.
    due: Instant,
}

impl Shell {
    fn join(&mut self, channels: Vec<Pattern>) {
        let (line, target, from) = (String::new(), None, Kind::Hub);
        self.alone = true;
        let names: Vec<String> = channels.iter().map(|pattern| pattern.as_str().to_owned()).collect();
        let joined = self.session.join(&names);
        self.unjoined = channels;
        self.doing.push(
            joined
                .map(move |outcome| Done { alone: true, offline: false, line, target, from, outcome })
                .boxed_local(),
        );
    }

    async fn talk(&mut self) -> io::Result<()> {
        let mut keys = EventStream::new();
        let mut tick = Timer::interval(TICK);
        loop {
            self.app.at(now());
            if self.act()? || self.app.ended {
                return Ok(());
            }
            if self.dirty && Instant::now() >= self.due {
                self.draw()?;
            }
            let frame = if self.dirty { Timer::at(self.due) } else { Timer::never() };
            futures::select_biased! {
                _ = self.signals.recv().fuse() => return Ok(()),
                key = keys.next().fuse() => match key {
                    Some(key) => self.key(key?)?,
                    None => return Ok(()),
                },
                done = self.doing.select_next_some() => self.done(done),
                answer = self.asking.select_next_some() => {
                    self.app.at(now());
                    self.app.answered(answer);
                    self.ask();
                    self.dirty = true;
                }
                _ = tick.next().fuse() => self.tick(),
                _ = FutureExt::fuse(frame) => {}
                arrival = self.session.inbox.next().fuse() => self.arrived(arrival),
            }
            // Whatever else is there belongs to the same frame.
            poll_fn(|cx| Poll::Ready(self.take_in(&mut keys, cx))).await?;
        }
    }

    /// Takes in keys that are there, and what arrived, for as long as keys may wait.
    fn take_in(&mut self, keys: &mut EventStream, cx: &mut Context<'_>) -> io::Result<()> {
        for _ in 0..MAX_KEYS {
            let Poll::Ready(Some(key)) = keys.poll_next_unpin(cx) else { break };
            self.key(key?)?;
        }
        let start = Instant::now();
        while start.elapsed() < SPELL {
            let Poll::Ready(arrival) = self.session.inbox.poll(cx) else { break };
            self.arrived(arrival);
        }
        Ok(())
    }

    fn arrived(&mut self, arrival: Arrival) {
        self.app.at(now());
        // Only events change who one is, and where.
        if matches!(arrival, Arrival::Event(_)) {
            self.app.is(me(&self.session));
        }
        let parted = matches!(arrival, Arrival::Parted(_));
        self.app.arrived(arrival);
        if parted {
            self.see_joined();
        }
        self.dirty = true;
    }

    /// Tells the state what is subscribed to. Gives the conversation that is new, if any is.
    fn see_joined(&mut self) -> Option<usize> {
        let joined: Vec<Pattern> = self.session.inbox.joined().cloned().collect();
        self.app.joined(&joined)
    }

    fn tick(&mut self) {
        self.app.at(now());
        // What is told in seconds, or for some seconds.
        let link = &self.app.link;
        self.dirty |= link.lost_at.is_some() || link.waits_since.is_some() || self.app.flash.is_some();
        self.dirty |= self.app.sending.is_some();
        self.app.is(me(&self.session));
        self.app.tick();
        if self.restored {
            self.keep();
        }
    }

    fn key(&mut self, event: Event) -> io::Result<()> {
        self.app.at(now());
        self.dirty = true;
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.app.pressed(&key),
            Event::Key(_) => {}
            Event::Paste(text) => self.app.pasted(&text),
            Event::Mouse(mouse) => self.app.mouse(mouse),
            Event::FocusGained => self.app.focus(true),
            Event::FocusLost => self.app.focus(false),
            // The next frame sees the new size. It may be the old one again, with less on the screen.
            Event::Resize(..) => {
                self.due = Instant::now();
                self.screen.redraw();
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        let start = Instant::now();
        self.dirty = false;
        self.screen.draw(&mut self.app)?;
        let frame = Duration::from_secs(1) / u32::from(self.app.config.frames.max(1));
        // A terminal that is slow gets fewer frames, so that keys have their half of the time.
        self.due = start + frame.max(2 * start.elapsed());
        Ok(())
    }

    /// Does what the state wants done. Says whether that is the end.
    fn act(&mut self) -> io::Result<bool> {
        loop {
            let effects = self.app.effects();
            if effects.is_empty() && !self.starts_a_line() {
                self.ask();
                return Ok(false);
            }
            self.dirty = true;
            for effect in effects {
                match effect {
                    Effect::Line { line, target, from } => self.lines.push_back((line, target, from)),
                    Effect::Ask(question) if self.questions.contains(&question) => {}
                    Effect::Ask(question) => {
                        // What is about one channel waits until all else is asked, in its order.
                        let first = self.questions.iter().position(Question::may_wait);
                        let place = first.filter(|_| !question.may_wait()).unwrap_or(self.questions.len());
                        self.questions.insert(place, question);
                    }
                    Effect::AskNothing => self.questions.clear(),
                    Effect::Bell => self.screen.ring()?,
                    Effect::Copy(text) => self.screen.copy(&text)?,
                    Effect::Typed(line) => self.history.add(&line),
                    Effect::Mouse(on) => self.screen.mouse(on)?,
                    Effect::Redraw => self.screen.redraw(),
                    Effect::Suspend => self.screen.suspend()?,
                    Effect::Quit => return Ok(true),
                }
            }
            while self.starts_a_line() {
                if self.start_line() {
                    return Ok(true);
                }
            }
        }
    }

    /// Puts the next questions to the hub.
    fn ask(&mut self) {
        while self.asking.len() < MAX_ASKING {
            let Some(question) = self.questions.pop_front() else { return };
            let (client, limit) = (self.session.client().clone(), self.app.config.history);
            self.asking.push(ask(client, question, limit).boxed_local());
        }
    }

    fn starts_a_line(&self) -> bool {
        !self.alone && !self.lines.is_empty()
    }

    /// Starts to do the next line. Says whether it asks for the end.
    fn start_line(&mut self) -> bool {
        let Some((line, target, mut from)) = self.lines.pop_front() else { return false };
        self.session.turn_to(target.clone());
        let offline = self.app.link.lost_at.is_some();
        let (alone, outcome) = match self.session.start(&line) {
            Started::Quit => return true,
            Started::Alone(outcome) => (true, outcome),
            Started::Beside(outcome) => (false, outcome),
        };
        // `/query` turns at once; `/join` when the hub has said yes.
        if let (Some(Target::Person(_)), true) =
            (self.session.current(), self.session.current() != target.as_ref())
        {
            if let Some(person) = self.session.current().cloned() {
                self.app.turn_to(&person);
                // What comes of it is told there.
                from = self.app.here().kind.clone();
            }
        }
        self.alone |= alone;
        if alone {
            self.under_way = Some(line.clone());
            self.app.sending = Some(self.app.now());
        }
        let done = outcome.map(move |outcome| Done { alone, offline, line, target, from, outcome });
        self.doing.push(done.boxed_local());
        false
    }

    /// Takes in what came of a line.
    fn done(&mut self, mut done: Done) {
        self.app.at(now());
        self.dirty = true;
        let turned = self.session.current() != done.target.as_ref();
        self.session.apply(&mut done.outcome);
        self.app.is(me(&self.session));
        if let Some(person) = &done.outcome.forgot {
            self.app.forget(person);
        }
        let new = self.see_joined();
        if done.alone {
            self.alone = false;
            self.under_way = None;
            self.app.sending = None;
            let wanted = self.session.current().filter(|_| turned).cloned();
            if self.restored && (wanted.is_some() || new.is_some()) {
                self.app.turn_from(&done.from, wanted.as_ref(), new);
            }
        }
        let Outcome { lines, failures, told, .. } = done.outcome;
        // What was begun without a connection and came to nothing was never sent.
        let unknown = |failure: &Failure| matches!(failure.exit, Exit::TimeLimit | Exit::NoConnection);
        let came = Came {
            lines: String::from_utf8_lossy(&lines).into_owned(),
            perhaps: !done.offline && failures.iter().any(unknown),
            failures: failures.into_iter().map(|failure| failure.message).collect(),
            told,
        };
        if !self.restored {
            self.restore();
        }
        self.app.came(&done.from, &done.line, came);
    }

    /// The first joins are done: what the last session left is shown as it was.
    fn restore(&mut self) {
        self.restored = true;
        let inbox = &self.session.inbox;
        self.unjoined.retain(|pattern| !inbox.is_joined(pattern.as_str()));
        self.app.restore(&self.left);
        let wanted = std::mem::take(&mut self.wanted);
        // Whoever has gone somewhere already stays.
        if self.app.current == 0 {
            self.app.begin(&wanted);
        }
    }

    /// Keeps what the next session will want to know.
    fn keep(&mut self) {
        if !self.restored {
            return;
        }
        let mut kept = self.app.to_remember();
        kept.channels.extend(self.unjoined.iter().cloned());
        // A full disk costs the memory, not the conversation.
        if let Err(why) = self.memory.keep(&kept) {
            self.app.flash(why);
        }
    }
}
