//! The bottom: the line of state, and the box in which one types.

use super::super::app::{App, Mode};
use super::super::conversation::Kind;
use super::super::keys::Press;
use super::super::lay::{draw, fit, Piece};
use super::super::safe::{cut, safe_line, width};
use super::sides::count_of;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use ratatui::widgets::Widget;

/// Columns before what is typed.
pub const PROMPT: usize = 2;

/// Draws the line of state.
pub fn status(app: &App, buffer: &mut Buffer, area: Rect) {
    if area.height == 0 {
        return;
    }
    let columns = usize::from(area.width);
    let plain = app.theme.status;
    let mut pieces: Vec<Piece> = Vec::new();
    let words: Vec<Piece> = match (&app.flash, &app.mode) {
        (Some((words, _)), _) => vec![(format!(" {}", safe_line(words)), plain.add_modifier(Modifier::BOLD))],
        (None, Mode::Copying(copying)) => vec![(copy_words(copying.mark.is_some()), plain)],
        _ => state(app, columns),
    };
    pieces.extend(words);
    let used: usize = pieces.iter().map(|(text, _)| width(text)).sum();
    if used < columns {
        let mut room = columns - used;
        for (text, style) in active(app) {
            if width(&text) > room {
                break;
            }
            room -= width(&text);
            pieces.push((text, style));
        }
        pieces.push((" ".repeat(room), plain));
    }
    draw(&pieces, buffer, (area.x, area.y), area.right());
}

fn copy_words(marked: bool) -> String {
    let mark = if marked { "Space unmarks" } else { "Space marks the other end" };
    format!(" copy: arrows move, {mark}, Enter copies, Esc leaves")
}

/// Who one is, where, how far that is, and how many servers there are.
fn state(app: &App, columns: usize) -> Vec<Piece> {
    let plain = app.theme.status;
    let mut pieces = vec![(format!(" {}@{}", safe_line(&app.me.name), safe_line(&app.me.server)), plain)];
    match app.link.lost_at {
        Some(since) => {
            let seconds = (app.now() - since).max(0) / 1_000;
            pieces.push((format!(" · no connection for {seconds} s, trying again"), app.theme.status_bad));
        }
        None => {
            if let Some(us) = app.link.latency_us {
                // Padded, so that what stands after it keeps its place.
                pieces.push((format!(" · {:>6}", latency(us)), plain));
            }
            let waits = app.link.waits_since.map_or(0, |since| (app.now() - since) / 1_000);
            pieces.push(match waits {
                ..2 => (" · connected".to_owned(), plain),
                n => (format!(" · no answer for {n} s"), app.theme.status_bad),
            });
        }
    }
    if columns >= 60 {
        let servers = match app.link.alive.len() {
            0 | 1 => " · 1 server".to_owned(),
            n => format!(" · {n} servers"),
        };
        pieces.push((servers, plain));
    }
    // What takes no time is not told.
    if app.sending.is_some_and(|since| app.now() - since >= 1_000) {
        pieces.push((" · sending".to_owned(), app.theme.status_bad));
    }
    if let Some(away) = &app.away {
        pieces.push((format!(" · {}", safe_line(&away.words)), plain.add_modifier(Modifier::BOLD)));
    }
    pieces
}

fn latency(us: u64) -> String {
    match us {
        0..=9_999 => format!("{:.1} ms", us as f64 / 1_000.0),
        10_000..=999_999 => format!("{} ms", us / 1_000),
        _ => format!("{:.1} s", us as f64 / 1_000_000.0),
    }
}

/// Conversations with something unread, for screens without a list and lists that are too long.
fn active(app: &App) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let others = app.conversations.iter().enumerate().filter(|(at, c)| *at != app.current && c.unread > 0);
    for (index, conversation) in others.filter(|(_, c)| !c.muted) {
        let (count, style) = count_of(app, conversation);
        let name = cut(conversation.name(), 12).into_owned();
        let style = app.theme.status.patch(style);
        pieces.push((format!(" [{}:{}{count}]", index + 1, safe_line(&name)), style));
    }
    pieces
}

/// Draws what is typed, and says where the cursor is.
pub fn draft(app: &mut App, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    if area.height == 0 {
        return None;
    }
    if let Mode::Searching(search) = &app.mode {
        let found = match (search.text.is_empty(), search.at, search.end) {
            (true, ..) => "",
            (false, None, true) => "  not found",
            (false, Some(_), true) => "  no more; Esc leaves",
            _ => "  Enter finds older, Down newer, Esc leaves",
        };
        let text = safe_line(&search.text).into_owned();
        let end = area.x.saturating_add(u16::try_from(8 + width(&text)).unwrap_or(0));
        let pieces = [
            ("search: ".to_owned(), app.theme.dim),
            (text, app.theme.text),
            (found.to_owned(), app.theme.dim),
        ];
        draw(&pieces, buffer, (area.x, area.y), area.right());
        return Some(Position::new(end.min(area.right() - 1), area.y));
    }
    let prompt = if app.link.lost_at.is_some() { "! " } else { "› " };
    let style = if app.link.lost_at.is_some() { app.theme.status_bad } else { app.theme.dim };
    draw(&[(prompt.to_owned(), style)], buffer, (area.x, area.y), area.right());
    let columns = u16::try_from(PROMPT).unwrap_or(0).min(area.width);
    let area = Rect { x: area.x + columns, width: area.width - columns, ..area };
    if area.width == 0 {
        return None;
    }
    let keys = app.key_of(Press::Help);
    let hint = match app.here().kind {
        Kind::Hub => format!("/join CHANNEL, /query NAME; {keys} shows the keys, /help the commands"),
        _ => String::new(),
    };
    let (text_style, dim) = (app.theme.text, app.theme.dim);
    if app.here().draft.is_empty() && !hint.is_empty() {
        draw(&[(fit(&hint, usize::from(area.width)), dim)], buffer, (area.x, area.y), area.right());
        return Some(Position::new(area.x, area.y));
    }
    let editor = app.here_mut().draft.area();
    editor.set_style(text_style);
    // The terminal's own cursor shows where one is.
    editor.set_cursor_style(text_style);
    (&*editor).render(area, buffer);
    let (at, top) = (editor.screen_cursor(), editor.scroll_offset());
    let cell = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let x = area.x.saturating_add(cell(at.col)).saturating_sub(top.1);
    let y = area.y.saturating_add(cell(at.row)).saturating_sub(top.0);
    Some(Position::new(x.min(area.right() - 1), y.min(area.bottom() - 1)))
}
