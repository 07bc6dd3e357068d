//! The two sides: conversations at the left, people at the right.

use super::super::app::App;
use super::super::conversation::Conversation;
use super::super::lay::{draw, fit};
use super::super::safe::{cut, safe_line, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

/// Draws the list of conversations, and says where each stands.
pub fn list(app: &App, buffer: &mut Buffer, area: Rect) -> Vec<(Rect, usize)> {
    if area.width < 2 {
        return Vec::new();
    }
    border(app, buffer, area.right() - 1, area);
    let height = usize::from(area.height);
    let top = window(app.current, app.conversations.len(), height);
    let shown = app.conversations.iter().enumerate().skip(top).take(height);
    let mut places = Vec::new();
    for (row, (index, conversation)) in shown.enumerate() {
        let row =
            Rect { y: area.y + u16::try_from(row).unwrap_or(0), height: 1, width: area.width - 1, ..area };
        let (count, count_style) = count_of(app, conversation);
        let name_style = if index == app.current { app.theme.selected } else { style_of(app, conversation) };
        let number = match index {
            0..=8 => format!("{} ", index + 1),
            _ => "  ".to_owned(),
        };
        let room = usize::from(row.width).saturating_sub(2 + width(&count));
        let name = fit(&safe_line(&conversation.label()), room);
        let pieces = [(number, app.theme.dim), (name, name_style), (count, count_style)];
        draw(&pieces, buffer, (row.x, row.y), row.right());
        places.push((row, index));
    }
    places
}

/// The first row that is shown of a list, so that the chosen one is among those shown.
fn window(chosen: usize, count: usize, height: usize) -> usize {
    if count <= height {
        return 0;
    }
    chosen.saturating_sub(height / 2).min(count - height)
}

/// How many are unread, and how it is said.
pub fn count_of(app: &App, conversation: &Conversation) -> (String, Style) {
    let short = |n: u64| match n {
        0..=999 => n.to_string(),
        1_000..=999_999 => format!("{}k", n / 1_000),
        _ => "many".to_owned(),
    };
    match (conversation.unread, conversation.mentions) {
        (0, _) => (String::new(), app.theme.dim),
        (n, _) if conversation.muted => (format!(" {}", short(n)), app.theme.muted),
        (n, 0) => (format!(" {}", short(n)), app.theme.unread),
        (n, m) if n == m => (format!(" {}!", short(m)), app.theme.mentioned),
        (n, m) => (format!(" {} {}!", short(n), short(m)), app.theme.mentioned),
    }
}

fn style_of(app: &App, conversation: &Conversation) -> Style {
    match (conversation.muted, conversation.unread, conversation.mentions) {
        (true, ..) => app.theme.muted,
        (false, 0, _) => app.theme.text,
        (false, _, 0) => app.theme.unread,
        _ => app.theme.mentioned,
    }
}

/// Draws who is in the channel.
pub fn people(app: &App, buffer: &mut Buffer, area: Rect) {
    if area.width < 2 {
        return;
    }
    border(app, buffer, area.x, area);
    let area = Rect { x: area.x + 1, width: area.width - 1, ..area };
    let people = &app.here().people;
    let height = usize::from(area.height);
    let columns = usize::from(area.width);
    let count = match people.len() {
        // Nobody has told yet: at least one is there oneself.
        0 => String::new(),
        1 => " 1 person".to_owned(),
        n => format!(" {n} people"),
    };
    let mut rows = vec![vec![(fit(&count, columns), app.theme.dim)]];
    for person in people.iter().take(height.saturating_sub(1)) {
        let own = person.name == app.me.name && person.server == app.me.server;
        let style = if own { app.theme.own } else { app.theme.name(&person.name) };
        let name = cut(&format!(" {}", safe_line(&person.name)), columns).into_owned();
        let mut row = vec![(name.clone(), style)];
        // Where somebody is connected is told where there is room for it.
        let server = format!(" {}", safe_line(&person.server));
        if person.server != app.me.server && width(&name) + width(&server) <= columns {
            row.push((server, app.theme.dim));
        }
        rows.push(row);
    }
    if people.len() + 1 > height {
        let more = people.len() + 2 - height;
        rows.truncate(height.saturating_sub(1));
        rows.push(vec![(fit(&format!(" and {more} more"), columns), app.theme.dim)]);
    }
    for (nth, row) in rows.iter().take(height).enumerate() {
        draw(row, buffer, (area.x, area.y + u16::try_from(nth).unwrap_or(0)), area.right());
    }
}

fn border(app: &App, buffer: &mut Buffer, x: u16, area: Rect) {
    for y in area.top()..area.bottom() {
        if let Some(cell) = buffer.cell_mut((x, y)) {
            cell.set_symbol("│").set_style(app.theme.border.remove_modifier(Modifier::REVERSED));
        }
    }
}
