//! Keys, pastes and the mouse: each does what the key table says in the place where one is.

use super::super::draft::MAX_BYTES;
use super::super::keys::{Place as Where, Press};
use super::super::picker::Picker;
use super::super::place::Place;
use super::super::safe::safe;
use super::{App, Copying, Effect, Mode, TWICE};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use ratatui_textarea::CursorMove;

/// Rows that one notch of the wheel moves. As most terminals do it.
const NOTCH: isize = 3;

impl App {
    /// A key was pressed.
    pub fn pressed(&mut self, key: &KeyEvent) {
        self.is_there();
        let press = self.keymap.find(self.place_of_keys(), key);
        if !matches!(press, Some(Press::Interrupt | Press::DeleteForward)) {
            self.interrupted_at = None;
        }
        if matches!(self.mode, Mode::Helping(_) | Mode::Confirming(_)) {
            return self.in_popup(press, key);
        }
        match press {
            Some(press) => self.press(press, key),
            None => self.typed_key(key),
        }
    }

    fn place_of_keys(&self) -> Where {
        match self.mode {
            Mode::Typing | Mode::Helping(_) | Mode::Confirming(_) => Where::Typing,
            Mode::Completing(_) | Mode::Recalling(_) | Mode::Switching(_) => Where::List,
            Mode::Searching(_) => Where::Search,
            Mode::Copying(_) => Where::Copy,
        }
    }

    /// A key without a meaning of its own: it is a character, or nothing.
    fn typed_key(&mut self, key: &KeyEvent) {
        let KeyCode::Char(c) = key.code else { return };
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return;
        }
        if let Mode::Completing(_) = self.mode {
            self.close_completion(true);
        }
        match &mut self.mode {
            Mode::Switching(picker) | Mode::Recalling(picker) => picker.insert(c.encode_utf8(&mut [0; 4])),
            Mode::Searching(_) => self.search_anew(|text| text.push(c)),
            Mode::Typing => self.insert(c.encode_utf8(&mut [0; 4])),
            _ => {}
        }
    }

    fn insert(&mut self, text: &str) {
        if !self.here_mut().draft.insert(text) {
            let words = format!("too long: {} bytes, and a message has {MAX_BYTES} at the most", text.len());
            self.flash(words);
        }
    }

    /// The person is there: a key, the mouse or a paste has shown it.
    fn is_there(&mut self) {
        self.pressed_at = self.now;
        if !self.focused {
            self.focus(true);
        }
        if self.away.is_some() {
            self.be_back();
        }
    }

    /// A text was pasted.
    pub fn pasted(&mut self, text: &str) {
        self.is_there();
        if let Mode::Completing(_) = self.mode {
            self.close_completion(true);
        }
        let first = text.lines().next().unwrap_or_default().to_owned();
        match &mut self.mode {
            Mode::Switching(picker) | Mode::Recalling(picker) => picker.insert(&first),
            Mode::Searching(_) => self.search_anew(|search| search.push_str(&first)),
            Mode::Typing => self.insert(text),
            _ => self.flash("nothing was pasted: close what is open first"),
        }
    }

    /// Keys while the help or a question stands above everything.
    fn in_popup(&mut self, press: Option<Press>, key: &KeyEvent) {
        match (&mut self.mode, press, key.code) {
            (_, Some(Press::Interrupt), _) | (_, _, KeyCode::Esc) => self.mode = Mode::Typing,
            (Mode::Helping(top), Some(Press::Up | Press::ScrollUp), _) => *top = top.saturating_sub(1),
            (Mode::Helping(top), Some(Press::Down | Press::ScrollDown), _) => *top += 1,
            (Mode::Helping(top), Some(Press::PageUp), _) => *top = top.saturating_sub(10),
            (Mode::Helping(top), Some(Press::PageDown), _) => *top += 10,
            (Mode::Helping(_), ..) => self.mode = Mode::Typing,
            (Mode::Confirming(_), Some(Press::Send), _) => self.send_confirmed(),
            (Mode::Confirming(_), _, KeyCode::Char('y' | 'Y')) => self.send_confirmed(),
            (Mode::Confirming(_), _, KeyCode::Char('n' | 'N')) => self.mode = Mode::Typing,
            _ => {}
        }
    }

    #[rustfmt::skip]
    fn press(&mut self, press: Press, key: &KeyEvent) {
        match press {
            Press::Help => self.mode = Mode::Helping(0),
            Press::Switcher => self.open_switcher(),
            Press::Conversation(n) => self.go(usize::from(n).saturating_sub(1)),
            Press::PreviousConversation => self.step(false),
            Press::NextConversation => self.step(true),
            Press::NextUnread => self.go_unread(),
            Press::PageUp => self.scroll(self.page()),
            Press::PageDown => self.scroll(-self.page()),
            Press::ScrollUp => self.scroll(1),
            Press::ScrollDown => self.scroll(-1),
            Press::Oldest => self.go_oldest(),
            Press::Newest => self.here_mut().follow(),
            Press::People => self.show_people = !self.show_people,
            Press::Conversations => self.show_list = !self.show_list,
            Press::Search => self.start_search(),
            Press::CopyMode if matches!(self.mode, Mode::Copying(_)) => self.stop_copying(),
            Press::CopyMode => self.start_copying(),
            Press::Expand => self.expand_all(),
            Press::Mute => self.mute(""),
            Press::Redraw => self.effect(Effect::Redraw),
            Press::Suspend => self.effect(Effect::Suspend),
            Press::Interrupt => self.interrupt(),

            Press::Send => self.send_draft(),
            Press::NewLine => self.insert("\n"),
            Press::Complete => self.complete(),
            Press::CompleteBack => {
                self.complete();
                self.cycle_on(false);
            }
            Press::Up => self.up_or_earlier(true),
            Press::Down => self.up_or_earlier(false),
            Press::HistoryEarlier => self.recall(true),
            Press::HistoryLater => self.recall(false),
            Press::HistorySearch => self.open_recall(),
            Press::Left => self.move_cursor(CursorMove::Back),
            Press::Right => self.move_cursor(CursorMove::Forward),
            Press::WordLeft => self.move_cursor(CursorMove::WordBack),
            Press::WordRight => self.move_cursor(CursorMove::WordForward),
            Press::LineStart => self.move_cursor(CursorMove::Head),
            Press::LineEnd => self.line_end(key),
            Press::DeleteBack => { self.here_mut().draft.area().delete_char(); }
            // As in a shell, where Ctrl-D on an empty line is the end of it.
            Press::DeleteForward if self.here().draft.is_empty() && key.code != KeyCode::Delete => self.interrupt(),
            Press::DeleteForward => { self.here_mut().draft.area().delete_next_char(); }
            Press::DeleteWord => { self.here_mut().draft.area().delete_word(); }
            Press::DeleteToStart => { self.here_mut().draft.area().delete_line_by_head(); }
            Press::DeleteToEnd => { self.here_mut().draft.area().delete_line_by_end(); }
            Press::Undo => { self.here_mut().draft.area().undo(); }
            Press::Cancel => self.flash = None,

            Press::ListUp => self.list_step(false),
            Press::ListDown => self.list_step(true),
            Press::ListTake => self.list_take(key),
            Press::ListErase => self.list_erase(false),
            Press::ListEraseAll => self.list_erase(true),
            Press::ListClose => self.list_close(),

            Press::SearchOlder => self.search_further(true),
            Press::SearchNewer => self.search_further(false),
            Press::SearchErase => self.search_anew(|text| { text.pop(); }),
            Press::SearchEraseAll => self.search_anew(String::clear),
            Press::SearchClose => self.mode = Mode::Typing,

            Press::CopyUp => self.copy_step(false),
            Press::CopyDown => self.copy_step(true),
            Press::CopyTop => self.copy_jump(0),
            Press::CopyBottom => self.copy_jump(usize::MAX),
            Press::CopyMark => self.copy_mark(),
            Press::CopyTake => self.copy_take(),
            Press::CopyExpand => self.copy_expand(),
            Press::CopyClose => self.stop_copying(),
        }
    }

    /// The first Ctrl-C gives up what is open or typed, and asks; the second leaves.
    fn interrupt(&mut self) {
        if self.interrupted_at.is_some_and(|at| self.now - at < TWICE) {
            return self.effect(Effect::Quit);
        }
        self.interrupted_at = Some(self.now);
        match self.mode {
            Mode::Typing => {
                // It was not meant to be sent, and can be had back.
                let line = self.here_mut().draft.take();
                self.keep_typed(&line);
            }
            Mode::Copying(_) => self.stop_copying(),
            _ => self.list_close(),
        }
        self.mode = Mode::Typing;
        let key = self.key_of(Press::Interrupt);
        self.flash(format!("{key} once more leaves"));
    }

    fn step(&mut self, next: bool) {
        let count = self.conversations.len();
        self.go((self.current + if next { 1 } else { count - 1 }) % count);
    }

    /// Goes to the next conversation with something unread, those that name one first.
    fn go_unread(&mut self) {
        let count = self.conversations.len();
        let after = (1..count).map(|n| (self.current + n) % count);
        let has = |index: &usize| !self.conversations[*index].muted && self.conversations[*index].unread > 0;
        let named = |index: &usize| has(index) && self.conversations[*index].mentions > 0;
        match after.clone().find(named).or_else(|| after.clone().find(has)) {
            Some(index) => self.go(index),
            None => self.flash("nothing is unread"),
        }
    }

    fn page(&self) -> isize {
        isize::try_from(self.screen.messages.height.saturating_sub(2)).unwrap_or(1).max(1)
    }

    /// Moves the view so many rows up.
    pub(super) fn scroll(&mut self, up: isize) {
        let (width, height) = (self.screen.messages.width, usize::from(self.screen.messages.height));
        let here = self.here();
        let lay = self.lay(usize::from(width));
        let place = here.place.scrolled(up, &here.scrollback, &lay, height);
        match place {
            Place::Newest => self.here_mut().follow(),
            place => self.here_mut().place = place,
        }
    }

    fn go_oldest(&mut self) {
        let (width, height) = (self.screen.messages.width, usize::from(self.screen.messages.height));
        let place = Place::oldest(&self.here().scrollback, &self.lay(usize::from(width)), height);
        self.here_mut().place = place;
    }

    fn line_end(&mut self, key: &KeyEvent) {
        let behind = !self.here().place.follows() || self.here().skipped > 0;
        if key.code == KeyCode::End && behind {
            self.here_mut().follow();
        } else {
            self.move_cursor(CursorMove::End);
        }
    }

    fn move_cursor(&mut self, to: CursorMove) {
        self.here_mut().draft.area().move_cursor(to);
    }

    fn up_or_earlier(&mut self, up: bool) {
        if self.here().draft.at_edge(up) {
            self.recall(up);
        } else {
            self.move_cursor(if up { CursorMove::Up } else { CursorMove::Down });
        }
    }

    fn recall(&mut self, earlier: bool) {
        let typed = std::mem::take(&mut self.typed);
        self.here_mut().draft.recall(earlier, &typed);
        self.typed = typed;
    }

    fn list_step(&mut self, down: bool) {
        match &mut self.mode {
            Mode::Completing(_) => self.cycle_on(down),
            Mode::Switching(picker) | Mode::Recalling(picker) => {
                if down {
                    picker.down();
                } else {
                    picker.up();
                }
            }
            _ => {}
        }
    }

    fn list_take(&mut self, key: &KeyEvent) {
        match &self.mode {
            // Tab goes on, as in every shell; Enter takes.
            Mode::Completing(_) if key.code == KeyCode::Tab => self.cycle_on(true),
            Mode::Completing(_) => self.close_completion(true),
            _ => self.take_picked(),
        }
    }

    fn list_erase(&mut self, all: bool) {
        match &mut self.mode {
            Mode::Completing(_) => {
                self.close_completion(true);
                let area = self.here_mut().draft.area();
                if all {
                    area.delete_line_by_head();
                } else {
                    area.delete_char();
                }
            }
            Mode::Switching(picker) | Mode::Recalling(picker) => erase(picker, all),
            _ => {}
        }
    }

    fn list_close(&mut self) {
        if let Mode::Completing(_) = self.mode {
            self.close_completion(false);
        }
        self.mode = Mode::Typing;
    }

    /// Shows all of what is folded here, or folds it again.
    fn expand_all(&mut self) {
        let expand = !self.here().scrollback.iter().rev().take(500).any(|entry| entry.expanded);
        for entry in self.here_mut().scrollback.iter_mut() {
            entry.expanded = expand;
        }
    }

    fn start_copying(&mut self) {
        let shown = self.screen.rows.iter().rev().find_map(|row| *row);
        let newest = self.here().scrollback.last().map(|entry| entry.id);
        let Some(at) = shown.or(newest) else { return self.flash("there is nothing to copy here") };
        self.mode = Mode::Copying(Copying { at, mark: None });
        // What arrives moves nothing meanwhile.
        if let (true, Some(id)) = (self.here().place.follows(), newest) {
            self.here_mut().place = Place::At { id, below: 0 };
        }
    }

    fn stop_copying(&mut self) {
        self.mode = Mode::Typing;
    }

    fn copy_step(&mut self, down: bool) {
        let Mode::Copying(copying) = &self.mode else { return };
        let index = self.here().scrollback.index_of(copying.at).unwrap_or(0);
        self.copy_jump(if down { index + 1 } else { index.saturating_sub(1) });
    }

    fn copy_jump(&mut self, index: usize) {
        let (width, height) = (self.screen.messages.width, usize::from(self.screen.messages.height));
        let scrollback = &self.here().scrollback;
        let last = scrollback.len().saturating_sub(1);
        let Some(id) = scrollback.get(index.min(last)).map(|entry| entry.id) else { return };
        let place = Place::showing(id, scrollback, &self.lay(usize::from(width)), height);
        let visible = self.screen.rows.contains(&Some(id));
        if let Mode::Copying(copying) = &mut self.mode {
            copying.at = id;
        }
        if !visible {
            self.here_mut().place = place;
        }
    }

    fn copy_mark(&mut self) {
        if let Mode::Copying(copying) = &mut self.mode {
            copying.mark = if copying.mark.is_some() { None } else { Some(copying.at) };
        }
    }

    fn copy_expand(&mut self) {
        let Mode::Copying(Copying { at, .. }) = self.mode else { return };
        self.toggle(at);
    }

    fn toggle(&mut self, id: u64) {
        if let Some(entry) = self.here_mut().scrollback.by_id_mut(id) {
            entry.expanded = !entry.expanded;
        }
    }

    /// The places of the messages that are chosen.
    pub fn chosen(&self) -> Option<std::ops::RangeInclusive<usize>> {
        let Mode::Copying(Copying { at, mark }) = self.mode else { return None };
        let index = |id| self.here().scrollback.index_of(id);
        let (a, b) = (index(at)?, index(mark.unwrap_or(at))?);
        Some(a.min(b)..=a.max(b))
    }

    fn copy_take(&mut self) {
        let Some(chosen) = self.chosen() else {
            self.stop_copying();
            return self.flash("what was chosen is not kept any more");
        };
        let count = chosen.clone().count();
        let entries = chosen.filter_map(|index| self.here().scrollback.get(index));
        // Who pastes it into a shell gets characters, and no control sequences.
        let lines: Vec<String> = entries.map(|entry| safe(&entry.plain()).into_owned()).collect();
        self.effect(Effect::Copy(lines.join("\n")));
        self.stop_copying();
        self.flash(format!("copied {count} message{}", if count == 1 { "" } else { "s" }));
    }

    /// The mouse was moved or pressed.
    pub fn mouse(&mut self, mouse: MouseEvent) {
        self.is_there();
        let at = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollUp => self.scroll(NOTCH),
            MouseEventKind::ScrollDown => self.scroll(-NOTCH),
            MouseEventKind::Down(MouseButton::Left) => {
                let row = self.screen.list.iter().find(|(area, _)| area.contains(at));
                if let Some(&(_, index)) = row {
                    return self.go(index);
                }
                let messages = self.screen.messages;
                if messages.contains(at) {
                    let row = usize::from(at.y - messages.y);
                    if let Some(Some(id)) = self.screen.rows.get(row).copied() {
                        self.toggle(id);
                    }
                }
            }
            _ => {}
        }
    }
}

fn erase(picker: &mut Picker, all: bool) {
    if all {
        picker.clear();
    } else {
        picker.backspace();
    }
}
