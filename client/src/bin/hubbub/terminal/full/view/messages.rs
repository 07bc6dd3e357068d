//! The middle: what the conversation is about, and what was said there.

use super::super::app::{App, Mode};
use super::super::conversation::{Conversation, Kind};
use super::super::lay::{draw, fit, rule, Row};
use super::super::safe::{safe_line, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

/// Draws the row above: the name, and the topic.
pub fn topic(app: &App, buffer: &mut Buffer, area: Rect) {
    if area.height == 0 {
        return;
    }
    let here = app.here();
    let about = match &here.kind {
        Kind::Hub => format!("what the hub says; you are {} on {}", app.me.name, app.me.server),
        Kind::Person(_) => match &here.server {
            Some(server) => format!("a conversation with one person, on {server}"),
            None => "a conversation with one person".to_owned(),
        },
        Kind::Channel(pattern) if pattern.to_channel().is_none() => {
            "all channels of this pattern; each message tells its own".to_owned()
        }
        Kind::Channel(_) => here.topic.clone(),
    };
    let silent = if here.muted { " (silent)" } else { "" };
    let name = format!(" {}{silent} ", safe_line(here.name()));
    let rest = usize::from(area.width).saturating_sub(width(&name));
    let bold = app.theme.title.add_modifier(Modifier::BOLD);
    let pieces = [(name, bold), (fit(&safe_line(&about), rest), app.theme.title)];
    draw(&pieces, buffer, (area.x, area.y), area.right());
}

/// Draws what was said, the newest at the bottom, and says which entry each row is of.
pub fn messages(app: &mut App, buffer: &mut Buffer, area: Rect) -> Vec<Option<u64>> {
    if area.height == 0 || area.width == 0 {
        return Vec::new();
    }
    let height = usize::from(area.height);
    // On a larger screen there may be nothing below any more.
    if matches!(app.mode, Mode::Typing) && !app.here().place.follows() {
        let lay = app.lay(usize::from(area.width));
        let place = app.here().place.scrolled(0, &app.here().scrollback, &lay, height);
        app.here_mut().place = place;
    }
    // What this very draw skips is told by it: so it is counted before the bar has its row.
    let some = app.here().place.view(&app.here().scrollback, &app.lay(usize::from(area.width)), height);
    let mut entries: Vec<u64> = some.iter().filter_map(|row| row.entry).collect();
    entries.dedup();
    app.here_mut().was_drawn(entries.len());
    let here = app.here();
    let bar = bar_words(here).filter(|_| height > 1);
    let shown = height - usize::from(bar.is_some());
    let mut rows = some;
    rows.drain(..rows.len().saturating_sub(shown));
    put_new_rule(app, here, &mut rows, area, shown);
    let chosen = app.chosen();
    let top = shown - rows.len();
    let mut at: Vec<Option<u64>> = vec![None; top];
    for (nth, row) in rows.iter().enumerate() {
        let y = area.y + u16::try_from(top + nth).unwrap_or(0);
        draw(&row.pieces, buffer, (area.x, y), area.right());
        let index = row.entry.filter(|_| chosen.is_some()).and_then(|id| here.scrollback.index_of(id));
        if index.is_some_and(|index| chosen.as_ref().is_some_and(|chosen| chosen.contains(&index))) {
            buffer.set_style(Rect { y, height: 1, ..area }, app.theme.selected);
        }
        at.push(row.entry);
    }
    if let Some(words) = bar {
        let y = area.bottom() - 1;
        let words = fit(&format!(" {words}"), usize::from(area.width));
        draw(
            &[(words, app.theme.unread.add_modifier(Modifier::REVERSED))],
            buffer,
            (area.x, y),
            area.right(),
        );
    }
    at.resize(height, None);
    at
}

/// What is told where not all is seen.
fn bar_words(here: &Conversation) -> Option<String> {
    let below = here.place.entries_below(&here.scrollback);
    match (here.place.follows(), here.skipped, below) {
        (true, 0, _) | (false, 0, 0) => None,
        (true, 1, _) => Some("1 message skipped, press End".to_owned()),
        (true, n, _) => Some(format!("{n} messages skipped, press End")),
        (false, _, 1) => Some("1 newer message, press End".to_owned()),
        (false, _, n) => Some(format!("{n} newer messages, press End")),
    }
}

/// Puts a rule before the first message that came while one was elsewhere.
fn put_new_rule(app: &App, here: &Conversation, rows: &mut Vec<Row>, area: Rect, height: usize) {
    let Some(read) = here.read.filter(|_| !matches!(app.mode, Mode::Copying(_))) else { return };
    let first_new = rows.iter().position(|row| row.entry.is_some_and(|id| id > read));
    let Some(at) = first_new.filter(|at| *at > 0) else { return };
    rows.insert(at, rule("new", app.theme.unread, usize::from(area.width)));
    if rows.len() > height {
        rows.remove(0);
    }
}
