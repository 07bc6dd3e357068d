//! What stands above everything else for a while: completions, the switcher, the help, a question.

use super::super::app::{App, Confirm, Mode};
use super::super::completion::Candidate;
use super::super::keys::Place as Where;
use super::super::lay::{draw as draw_pieces, fit, Piece};
use super::super::picker::Picker;
use super::super::safe::{cut, safe_line, width};
use super::super::wrap::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

/// Rows of a list at the most.
const MAX_ROWS: usize = 10;
/// Columns of the help at the most: what is longer is hard to read.
const HELP_COLUMNS: u16 = 84;
/// Columns of the keys in it.
const HELP_KEYS: usize = 24;
/// From this width on what keys do stands beside them.
const HELP_BESIDE: usize = 60;

/// Draws it, if there is any, and says where the cursor is in it. `bottom` is the row above which
/// lists stand.
pub fn draw(app: &App, buffer: &mut Buffer, area: Rect, bottom: u16) -> Option<Position> {
    match &app.mode {
        Mode::Typing | Mode::Searching(_) | Mode::Copying(_) => None,
        Mode::Completing(cycle) => {
            let height = MAX_ROWS.min(usize::from(bottom.saturating_sub(area.y)));
            let all = cycle.candidates();
            let chosen = cycle.index().unwrap_or(0);
            let first = chosen.saturating_sub(height / 2).min(all.len().saturating_sub(height));
            let some = all.iter().enumerate().skip(first).take(height);
            let words = |(at, candidate): (usize, &Candidate)| {
                let text = safe_line(candidate.text.trim_end()).into_owned();
                (vec![text, safe_line(&candidate.about).into_owned()], Some(at) == cycle.index())
            };
            list(app, buffer, area, bottom, "", &some.map(words).collect::<Vec<_>>());
            None
        }
        Mode::Switching(picker) => picked(app, buffer, area, bottom, "go to: ", picker),
        Mode::Recalling(picker) => picked(app, buffer, area, bottom, "typed before: ", picker),
        Mode::Helping(top) => {
            help(app, buffer, area, *top);
            None
        }
        Mode::Confirming(confirm) => {
            question(app, buffer, area, confirm);
            None
        }
    }
}

fn picked(
    app: &App,
    buffer: &mut Buffer,
    area: Rect,
    bottom: u16,
    title: &str,
    picker: &Picker,
) -> Option<Position> {
    let height = MAX_ROWS.min(usize::from(bottom.saturating_sub(area.y)).saturating_sub(1));
    let rows = picker.rows(height);
    let rows: Vec<_> = rows.map(|(_, text, chosen)| (vec![safe_line(text).into_owned()], chosen)).collect();
    let query = format!("{title}{}", safe_line(picker.query()));
    let count = match picker.is_empty() {
        true => "  nothing fits".to_owned(),
        false => format!("  {}", picker.len()),
    };
    let top = list(app, buffer, area, bottom, &format!("{query}{count}"), &rows)?;
    let x = top.x.saturating_add(u16::try_from(1 + width(&query)).unwrap_or(0));
    Some(Position::new(x.min(top.right().saturating_sub(1)), top.y))
}

/// Draws rows of columns above a row, one of them chosen, and gives where they stand.
fn list(
    app: &App,
    buffer: &mut Buffer,
    area: Rect,
    bottom: u16,
    title: &str,
    rows: &[(Vec<String>, bool)],
) -> Option<Rect> {
    let first = rows.iter().map(|(columns, _)| columns.first().map_or(0, |c| width(c))).max().unwrap_or(0);
    let whole = |columns: &Vec<String>| first + columns.get(1).map_or(0, |c| width(c) + 2);
    let widest = rows.iter().map(|(columns, _)| whole(columns)).max().unwrap_or(0).max(width(title)).max(20);
    // The last column is the edge.
    let columns = (widest + 3).min(usize::from(area.width));
    let height = rows.len() + usize::from(!title.is_empty());
    let height = u16::try_from(height).unwrap_or(0).min(bottom.saturating_sub(area.y));
    if height == 0 || columns < 3 {
        return None;
    }
    let place =
        Rect { x: area.x, y: bottom - height, width: u16::try_from(columns).unwrap_or(area.width), height };
    clear(buffer, place, app.theme.popup);
    edge(app, buffer, place.right() - 1, place);
    let place = Rect { width: place.width - 1, ..place };
    let columns = columns - 1;
    let mut y = place.y;
    if !title.is_empty() {
        let bold = app.theme.popup.add_modifier(Modifier::BOLD);
        draw_pieces(&[(format!(" {title}"), bold)], buffer, (place.x, y), place.right());
        y += 1;
    }
    for (texts, chosen) in rows.iter().take(usize::from(place.bottom() - y)) {
        let style = if *chosen { app.theme.popup_selected } else { app.theme.popup };
        let text = match texts.as_slice() {
            [one] => one.clone(),
            [one, two, ..] => format!("{}  {two}", fit(one, first)),
            [] => String::new(),
        };
        let row = format!(" {}", fit(&text, columns.saturating_sub(1)));
        draw_pieces(&[(row, style)], buffer, (place.x, y), place.right());
        y += 1;
    }
    Some(place)
}

fn clear(buffer: &mut Buffer, place: Rect, style: Style) {
    for y in place.top()..place.bottom() {
        // A wide character that reaches into the popup from the left loses its other half.
        if let Some(cell) = place.x.checked_sub(1).and_then(|x| buffer.cell_mut((x, y))) {
            if width(cell.symbol()) == 2 {
                cell.set_symbol(" ");
            }
        }
        for x in place.left()..place.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
                cell.set_style(style);
            }
        }
    }
}

/// A line down one side, which tells it from what it stands above where there are no colours.
fn edge(app: &App, buffer: &mut Buffer, x: u16, place: Rect) {
    for y in place.top()..place.bottom() {
        if let Some(cell) = buffer.cell_mut((x, y)) {
            cell.set_symbol("│").set_style(app.theme.popup.patch(app.theme.border));
        }
    }
}

/// The rows of the help: the key table, place by place.
fn help_rows(app: &App, columns: usize) -> Vec<Vec<Piece>> {
    let (plain, bold) = (app.theme.popup, app.theme.popup.add_modifier(Modifier::BOLD));
    let mut rows = Vec::new();
    for place in Where::ALL {
        rows.push(vec![(format!(" {}", place.heading()), bold)]);
        for line in app.keymap.help(place) {
            let keys = line.keys.join(", ");
            // Where there is no room beside the keys, what they do stands below them.
            let indent = if columns >= HELP_BESIDE { HELP_KEYS + 3 } else { 5 };
            let mut head = fit(&format!("   {keys}"), indent);
            if columns < HELP_BESIDE || width(&keys) > HELP_KEYS - 2 {
                rows.push(vec![(format!("   {keys}"), plain)]);
                head = " ".repeat(indent);
            }
            let room = columns.saturating_sub(indent + 1).max(1);
            for range in wrap(line.about, room, room) {
                rows.push(vec![(format!("{head}{}", &line.about[range]), plain)]);
                head = " ".repeat(indent);
            }
        }
        rows.push(vec![(String::new(), plain)]);
    }
    rows
}

fn help(app: &App, buffer: &mut Buffer, area: Rect, top: usize) {
    let columns = area.width.min(HELP_COLUMNS);
    let rows = help_rows(app, usize::from(columns));
    let place = inset(area, columns, u16::try_from(rows.len() + 1).unwrap_or(u16::MAX));
    clear(buffer, place, app.theme.popup);
    let title = fit(
        " Keys: arrows and PageDown move, Esc closes; /help tells the commands",
        usize::from(place.width),
    );
    draw_pieces(&[(title, app.theme.popup_selected)], buffer, (place.x, place.y), place.right());
    let height = usize::from(place.height).saturating_sub(1);
    let top = top.min(rows.len().saturating_sub(height));
    for (nth, row) in rows.iter().skip(top).take(height).enumerate() {
        let y = place.y + 1 + u16::try_from(nth).unwrap_or(0);
        draw_pieces(row, buffer, (place.x, y), place.right());
    }
}

fn question(app: &App, buffer: &mut Buffer, area: Rect, confirm: &Confirm) {
    let to = safe_line(app.here().name()).into_owned();
    let first: Vec<&str> = confirm.text.lines().take(3).collect();
    let mut rows = vec![format!(" Send {} lines to {to} as one message?", confirm.lines)];
    rows.extend(first.iter().map(|line| format!("   {}", safe_line(line))));
    if confirm.lines > first.len() {
        rows.push(format!("   … {} more", confirm.lines - first.len()));
    }
    rows.push(" Enter or y sends, Esc or n goes back to the text".to_owned());
    let place = inset(area, 60, u16::try_from(rows.len()).unwrap_or(1));
    clear(buffer, place, app.theme.popup);
    edge(app, buffer, place.x, place);
    edge(app, buffer, place.right() - 1, place);
    let place = Rect { x: place.x + 1, width: place.width.saturating_sub(2), ..place };
    for (nth, row) in rows.iter().take(usize::from(place.height)).enumerate() {
        let bold = nth == 0 || nth + 1 == rows.len();
        let style = if bold { app.theme.popup.add_modifier(Modifier::BOLD) } else { app.theme.popup };
        let row = cut(row, usize::from(place.width)).into_owned();
        let y = place.y + u16::try_from(nth).unwrap_or(0);
        draw_pieces(&[(row, style)], buffer, (place.x, y), place.right());
    }
}

/// A rectangle in the middle of another, of this size or what fits.
fn inset(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}
