//! The state, drawn. It reads the state and gives back where things stand; what is shown is decided
//! elsewhere. One file a part of the screen.

mod bottom;
mod messages;
mod popup;
mod sides;
#[cfg(test)]
mod tests;

use super::app::{App, Mode, Screen};
use super::conversation::Kind;
use ratatui::layout::Rect;
use ratatui::Frame;

/// From this width on the list of conversations stands at the left.
const LIST_FROM: u16 = 64;
/// From this width on the people of the channel stand at the right.
const PEOPLE_FROM: u16 = 88;
/// Columns of the list, border included.
const LIST: u16 = 18;
/// Columns of the people, border included.
const PEOPLE: u16 = 17;
/// Rows of the draft at the most; a third of the screen if that is less.
const MAX_DRAFT: u16 = 8;

/// Where the parts stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Parts {
    topic: Rect,
    list: Rect,
    messages: Rect,
    people: Rect,
    status: Rect,
    draft: Rect,
}

fn parts(app: &App, area: Rect) -> Parts {
    let plain = matches!(app.mode, Mode::Copying(_));
    let channel = matches!(app.here().kind, Kind::Channel(_));
    let list = if app.show_list && !plain && area.width >= LIST_FROM { LIST } else { 0 };
    let people = if app.show_people && !plain && channel && area.width >= PEOPLE_FROM { PEOPLE } else { 0 };
    let room = usize::from(area.width).saturating_sub(bottom::PROMPT);
    let most = usize::from((area.height / 3).clamp(1, MAX_DRAFT));
    let draft = u16::try_from(app.here().draft.height(room, most)).unwrap_or(1);
    // One row for the topic, one for the status; the messages have what is left.
    let draft = draft.min(area.height.saturating_sub(3)).max(1).min(area.height);
    let status = u16::from(area.height > draft);
    let topic = u16::from(area.height > draft + status + 1);
    let middle = area.height - draft - status - topic;
    let row = |y: u16, height: u16| Rect { y: area.y + y, height, ..area };
    let body = row(topic, middle);
    Parts {
        topic: row(0, topic),
        list: Rect { width: list, ..body },
        messages: Rect { x: body.x + list, width: body.width - list - people, ..body },
        people: Rect { x: body.x + body.width - people, width: people, ..body },
        status: row(topic + middle, status),
        draft: row(topic + middle + status, draft),
    }
}

/// Draws everything, and says where it stands.
pub fn draw(app: &mut App, frame: &mut Frame<'_>) -> Screen {
    let area = frame.area();
    if area.width == 0 || area.height == 0 {
        return Screen::default();
    }
    let parts = parts(app, area);
    let buffer = frame.buffer_mut();
    buffer.set_style(area, app.theme.text);
    let mut screen = Screen { messages: parts.messages, ..Screen::default() };
    messages::topic(app, buffer, parts.topic);
    screen.list = sides::list(app, buffer, parts.list);
    sides::people(app, buffer, parts.people);
    screen.rows = messages::messages(app, buffer, parts.messages);
    bottom::status(app, buffer, parts.status);
    let cursor = bottom::draft(app, buffer, parts.draft);
    let cursor = popup::draw(app, buffer, area, parts.status.y).or(cursor);
    if let Some(cursor) = cursor.filter(|at| area.contains(*at)) {
        frame.set_cursor_position(cursor);
    }
    screen
}
