//! What a terminal notices beside the screen: its title, the bell, the clipboard, modes that vt100
//! does not keep, and the questions that a program asks it. It answers as an xterm does.

use vt100::{Callbacks, Screen};

/// What was noticed so far.
#[derive(Default)]
pub struct Ears {
    pub title: String,
    titles: Vec<String>,
    pub bells: usize,
    pub clipboard: Option<String>,
    pub focus: bool,
    pub keyboard: usize,
    pub synchronised: bool,
    pub updates: u64,
    /// Answers that the program is owed.
    pub answers: Vec<u8>,
    /// Whether dark text stands on light ground: what it answers to who asks for its colours.
    light: bool,
}

impl Ears {
    /// The ears of a terminal with dark text on light ground, or the other way round.
    pub fn of(light: bool) -> Ears {
        Ears { light, ..Ears::default() }
    }

    fn answer(&mut self, text: &str) {
        self.answers.extend_from_slice(text.as_bytes());
    }

    fn set_mode(&mut self, mode: u16, on: bool) {
        match mode {
            1004 => self.focus = on,
            2026 => {
                self.updates += u64::from(self.synchronised && !on);
                self.synchronised = on;
            }
            _ => {}
        }
    }
}

impl Callbacks for Ears {
    fn audible_bell(&mut self, _: &mut Screen) {
        self.bells += 1;
    }

    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.title = String::from_utf8_lossy(title).into_owned();
    }

    fn copy_to_clipboard(&mut self, _: &mut Screen, _ty: &[u8], data: &[u8]) {
        self.clipboard = base64(data);
    }

    fn unhandled_csi(
        &mut self,
        screen: &mut Screen,
        first: Option<u8>,
        second: Option<u8>,
        params: &[&[u16]],
        end: char,
    ) {
        let param = params.first().and_then(|p| p.first()).copied().unwrap_or(0);
        match (first, second, end) {
            (None, None, 'n') if param == 6 => {
                let (row, column) = screen.cursor_position();
                self.answer(&format!("\x1b[{};{}R", row + 1, column + 1));
            }
            (None, None, 'n') if param == 5 => self.answer("\x1b[0n"),
            // A VT220 with colours.
            (None, None, 'c') => self.answer("\x1b[?62;22c"),
            (Some(b'>'), None, 'c') => self.answer("\x1b[>1;10;0c"),
            // What of these modes it knows: synchronised updates.
            (Some(b'?'), Some(b'$'), 'p') => {
                let known = if param == 2026 { 2 } else { 0 };
                self.answer(&format!("\x1b[?{param};{known}$y"));
            }
            (Some(b'?'), None, 'h' | 'l') => {
                // vt100 names all modes of a sequence of which it does not know one.
                params.iter().flat_map(|p| p.first()).for_each(|mode| self.set_mode(*mode, end == 'h'));
            }
            (Some(b'>'), None, 'u') => self.keyboard += 1,
            (Some(b'<'), None, 'u') => {
                self.keyboard = self.keyboard.saturating_sub(usize::from(param.max(1)));
            }
            (None, None, 't') if param == 22 => self.titles.push(self.title.clone()),
            (None, None, 't') if param == 23 => {
                if let Some(title) = self.titles.pop() {
                    self.title = title;
                }
            }
            _ => {}
        }
    }

    fn unhandled_osc(&mut self, _: &mut Screen, params: &[&[u8]]) {
        let dark = "rgb:1e1e/1e1e/1e1e";
        let bright = "rgb:f0f0/f0f0/f0f0";
        match params {
            [b"10", b"?"] => {
                let colour = if self.light { dark } else { bright };
                self.answer(&format!("\x1b]10;{colour}\x1b\\"));
            }
            [b"11", b"?"] => {
                let colour = if self.light { bright } else { dark };
                self.answer(&format!("\x1b]11;{colour}\x1b\\"));
            }
            _ => {}
        }
    }
}

/// What base64 stands for; none when it is no base64 of text.
fn base64(data: &[u8]) -> Option<String> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0u32);
    for byte in data.iter().filter(|byte| **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(bytes: &[u8]) -> Ears {
        let mut parser = vt100::Parser::new_with_callbacks(24, 80, 0, Ears::default());
        parser.process(bytes);
        std::mem::take(parser.callbacks_mut())
    }

    #[test]
    fn a_terminal_answers_who_asks_it() {
        assert_eq!(hear(b"\x1b[3;7H\x1b[6n").answers, b"\x1b[3;7R");
        assert_eq!(hear(b"\x1b[c").answers, b"\x1b[?62;22c");
        assert_eq!(hear(b"\x1b]11;?\x07").answers, b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\");
        assert_eq!(hear(b"\x1b]10;?\x1b\\").answers, b"\x1b]10;rgb:f0f0/f0f0/f0f0\x1b\\");
        assert_eq!(hear(b"\x1b[?2026$p").answers, b"\x1b[?2026;2$y");
    }

    #[test]
    fn title_bell_and_clipboard_are_noticed() {
        let ears = hear(b"\x1b]0;one\x07\x1b[22;0t\x1b]2;two\x07\x07\x1b]52;c;aGVsbG8gd8O2cmxk\x07");
        assert_eq!(ears.title, "two");
        assert_eq!(ears.bells, 1);
        assert_eq!(ears.clipboard.as_deref(), Some("hello w\u{f6}rld"));
        assert_eq!(hear(b"\x1b]0;one\x07\x1b[22;0t\x1b]2;two\x07\x1b[23;0t").title, "one");
    }

    #[test]
    fn updates_and_modes_are_noticed() {
        let ears = hear(b"\x1b[?2026hx\x1b[?2026l\x1b[?2026hy\x1b[?2026l\x1b[?1004h\x1b[>1u");
        assert_eq!((ears.updates, ears.synchronised, ears.focus, ears.keyboard), (2, false, true, 1));
        let ears = hear(b"\x1b[?1004h\x1b[>1u\x1b[<1u\x1b[?1004l");
        assert_eq!((ears.focus, ears.keyboard), (false, 0));
    }
}
