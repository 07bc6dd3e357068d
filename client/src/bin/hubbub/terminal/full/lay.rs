//! Entries as rows of a given width: time, sender, wrapped text, rules between days. Pure: an entry
//! in, rows out. Everything that others wrote goes through `safe.rs` here, and nowhere else has it to.

use super::entry::{Entry, Said, What, ME};
use super::json::{self, Token};
use super::mention::find;
use super::safe::{cells, cut, safe, safe_line, width};
use super::theme::Theme;
use super::wrap::wrap;
use chrono::{DateTime, Local, NaiveDateTime};
use ratatui::style::Style;
use std::borrow::Cow;
use std::ops::Range;

/// Rows of one entry that is not expanded. A guess: what one takes in at a glance.
const MAX_ROWS: usize = 12;
/// Rows of one that is. A guess; all of it can be copied.
const MAX_EXPANDED_ROWS: usize = 1_000;
/// Bytes of a text that are looked at to show one that is not expanded: more than its rows can hold.
const MAX_BYTES: usize = 16 << 10;
/// The same for one that is expanded.
const MAX_EXPANDED_BYTES: usize = 256 << 10;
/// From this width on senders have a column of their own. A guess: below it the text needs the room.
const WIDE: usize = 56;
/// Columns for senders.
const NAME_COLUMNS: usize = 12;
/// Columns by which the rows of an entry are set in where there is no column for senders.
const INDENT: usize = 2;

/// How to lay.
#[derive(Clone)]
pub struct Lay<'a> {
    /// Columns.
    pub width: usize,
    /// Colours.
    pub theme: &'a Theme,
    /// How times are written, for strftime.
    pub time: &'a str,
    /// From milliseconds of UTC to the time of the person's clock.
    pub clock: fn(i64) -> NaiveDateTime,
    /// A text to be pointed out.
    pub found: Option<&'a str>,
    /// The key that shows the whole of what is folded.
    pub expand: String,
}

/// A part of a row in one style.
pub type Piece = (String, Style);

/// One row of a conversation.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Its parts, from the left.
    pub pieces: Vec<Piece>,
    /// The entry that it belongs to.
    pub entry: Option<u64>,
}

/// The person's clock: the time zone of the machine.
pub fn local_clock(millis: i64) -> NaiveDateTime {
    let utc = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    utc.with_timezone(&Local).naive_local()
}

/// The rows of an entry, with the rule of a new day before it if it is on another day than the one
/// before.
pub fn rows(entry: &Entry, before: Option<&Entry>, lay: &Lay<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    let day = |entry: &Entry| (lay.clock)(entry.at).date();
    if before.is_none_or(|before| day(before) != day(entry)) {
        let words = day(entry).format("%a %d %b %Y").to_string();
        rows.push(rule(&words, lay.theme.dim, lay.width));
    }
    match &entry.what {
        What::Said(said) => push_said(said, entry, lay, &mut rows),
        What::Notice(text) => {
            push_block(("*", lay.theme.notice), text, lay.theme.notice, entry, lay, &mut rows)
        }
        What::Error(text) => push_block(("!", lay.theme.error), text, lay.theme.error, entry, lay, &mut rows),
        What::Reply(text) => push_block(("", lay.theme.dim), text, lay.theme.text, entry, lay, &mut rows),
        What::Gap(missing) => rows.push(rule(&missing.words(), lay.theme.gap, lay.width)),
    }
    for row in &mut rows {
        row.entry = Some(entry.id);
    }
    rows
}

/// A line across, with words in it.
pub fn rule(words: &str, style: Style, columns: usize) -> Row {
    let words = cut(&safe_line(words), columns.saturating_sub(6)).into_owned();
    let left = 3.min(columns);
    let mut line = format!("{} {words} ", "─".repeat(left));
    let used = width(&line);
    line.push_str(&"─".repeat(columns.saturating_sub(used)));
    Row { pieces: vec![(cut(&line, columns).into_owned(), style)], entry: None }
}

fn push_said(said: &Said, entry: &Entry, lay: &Lay<'_>, rows: &mut Vec<Row>) {
    let name_style = if said.own { lay.theme.own } else { lay.theme.name(&said.from) };
    let text_style = if said.mention { lay.theme.mention } else { lay.theme.text };
    let mut body = body_of(said, entry.expanded, lay.theme);
    let mut head = Head { name: safe_line(&said.from).into_owned(), name_style };
    if !json::is_structured(said.data.get()) && body.text.starts_with(ME) {
        body.text.replace_range(..ME.len(), &format!("{} ", head.name));
        body.spans.insert(0, (0..head.name.len(), name_style));
        head = Head { name: "*".to_owned(), name_style: lay.theme.notice };
    }
    if let Some(channel) = &said.channel {
        let before = format!("[{}] ", safe_line(channel));
        for (range, _) in &mut body.spans {
            *range = range.start + before.len()..range.end + before.len();
        }
        body.spans.insert(0, (0..before.len(), lay.theme.dim));
        body.text.insert_str(0, &before);
    }
    push_rows(&head, &body, text_style, entry, lay, rows);
}

fn push_block(
    (mark, mark_style): (&str, Style),
    text: &str,
    style: Style,
    entry: &Entry,
    lay: &Lay<'_>,
    rows: &mut Vec<Row>,
) {
    let head = Head { name: mark.to_owned(), name_style: mark_style };
    let body = Body { text: safe(trim_end(text)).into_owned(), spans: Vec::new(), more: 0 };
    // Tables that were asked for are shown whole.
    let entry = Entry { expanded: true, what: What::Notice("".into()), ..*entry };
    push_rows(&head, &body, style, &entry, lay, rows);
}

fn trim_end(text: &str) -> &str {
    text.trim_end_matches('\n')
}

/// What stands at the left of an entry's first row.
struct Head {
    name: String,
    name_style: Style,
}

/// A safe text, and the looks of its parts.
struct Body {
    text: String,
    spans: Vec<(Range<usize>, Style)>,
    /// Bytes that were left out.
    more: usize,
}

fn body_of(said: &Said, expanded: bool, theme: &Theme) -> Body {
    let raw = said.data.get();
    if json::is_structured(raw) {
        let marked = said.marked(expanded);
        let style = |token| match token {
            Token::Key => theme.key,
            Token::String => theme.string,
            Token::Number => theme.number,
            Token::Word => theme.word,
            Token::Punctuation => theme.punctuation,
        };
        let end = floor(&marked.text, MAX_EXPANDED_BYTES);
        let spans = marked.spans.iter().take_while(|(range, _)| range.start < end);
        let spans = spans.map(|(range, token)| (range.clone(), style(*token))).collect();
        return Body { text: marked.text[..end].to_owned(), spans, more: marked.text.len() - end };
    }
    let text = said.text();
    let most = if expanded { MAX_EXPANDED_BYTES } else { MAX_BYTES };
    let end = floor(&text, most);
    Body { text: safe(&text[..end]).into_owned(), spans: Vec::new(), more: text.len() - end }
}

fn floor(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

fn push_rows(head: &Head, body: &Body, style: Style, entry: &Entry, lay: &Lay<'_>, rows: &mut Vec<Row>) {
    let time = (lay.clock)(entry.at).format(lay.time).to_string();
    let (first, rest) = gutters(head, &time, lay);
    let columns = |gutter: &[Piece]| gutter.iter().map(|(text, _)| width(text)).sum::<usize>();
    let room = |gutter: &[Piece]| lay.width.saturating_sub(columns(gutter)).max(1);
    let ranges = wrap(&body.text, room(&first), room(&rest));
    let most = if entry.expanded { MAX_EXPANDED_ROWS } else { MAX_ROWS };
    let shown = if ranges.len() > most { most - 1 } else { ranges.len() };
    let found = found_in(&body.text, lay);
    for (nth, range) in ranges.iter().take(shown).enumerate() {
        let mut pieces = if nth == 0 { first.clone() } else { rest.clone() };
        push_pieces(&body.text, range.clone(), style, &body.spans, (&found, lay.theme.found), &mut pieces);
        rows.push(Row { pieces, entry: None });
    }
    let hidden = ranges.len() - shown;
    if hidden > 0 || body.more > 0 {
        let words = match (hidden, body.more, entry.expanded) {
            (_, 0, false) => format!("… {hidden} more rows, {} shows them", lay.expand),
            (_, more, false) => format!("… much more, {more} bytes at least, {} shows it", lay.expand),
            (_, more, true) => format!("… {hidden} more rows and {more} bytes; copy mode takes all"),
        };
        let mut pieces = rest;
        let room = room(&pieces);
        pieces.push((cut(&words, room).into_owned(), lay.theme.dim));
        rows.push(Row { pieces, entry: None });
    }
}

/// What stands at the left of the first row, and of all others.
fn gutters(head: &Head, time: &str, lay: &Lay<'_>) -> (Vec<Piece>, Vec<Piece>) {
    let (dim, plain) = (lay.theme.dim, lay.theme.text);
    let name = cut(&head.name, NAME_COLUMNS).into_owned();
    // What nobody said needs no column for who did.
    if lay.width >= WIDE && !name.is_empty() {
        let pad = " ".repeat(NAME_COLUMNS.saturating_sub(width(&name)));
        let first = vec![
            (format!("{time} "), lay.theme.time),
            (pad, plain),
            (name, head.name_style),
            (" │ ".to_owned(), dim),
        ];
        let blank = " ".repeat(width(time) + 1 + NAME_COLUMNS);
        return (first, vec![(blank, plain), (" │ ".to_owned(), dim)]);
    }
    let mut first = Vec::new();
    if lay.width >= 30 {
        first.push((format!("{time} "), lay.theme.time));
    }
    if !name.is_empty() {
        first.push((name, head.name_style));
        first.push((" ".to_owned(), plain));
    }
    (first, vec![(" ".repeat(INDENT.min(lay.width / 4)), plain)])
}

/// Where the text that is looked for stands.
fn found_in(text: &str, lay: &Lay<'_>) -> Vec<Range<usize>> {
    let Some(part) = lay.found.filter(|part| !part.is_empty()) else { return Vec::new() };
    let (mut ranges, mut from) = (Vec::new(), 0);
    while let Some(at) = find(text, part, from) {
        from = at + part.len();
        // A match of bytes that begins or ends within a character is none.
        if text.is_char_boundary(at) && text.is_char_boundary(from) {
            ranges.push(at..from);
        }
    }
    ranges
}

/// Appends a range of a text in pieces of one style each: that of its span, and over it that of a
/// match.
fn push_pieces(
    text: &str,
    range: Range<usize>,
    plain: Style,
    spans: &[(Range<usize>, Style)],
    (found, found_style): (&[Range<usize>], Style),
    pieces: &mut Vec<Piece>,
) {
    let mut at = range.start;
    while at < range.end {
        let span = spans.get(spans.partition_point(|(span, _)| span.end <= at));
        let hit = found.get(found.partition_point(|hit| hit.end <= at));
        let mut end = range.end;
        let mut style = plain;
        if let Some((span, look)) = span {
            end = end.min(if span.start > at { span.start } else { span.end });
            style = if span.start <= at { plain.patch(*look) } else { style };
        }
        if let Some(hit) = hit {
            end = end.min(if hit.start > at { hit.start } else { hit.end });
        }
        pieces.push((text[at..end].to_owned(), style));
        if hit.is_some_and(|hit| hit.start <= at) {
            if let Some(last) = pieces.last_mut() {
                last.1 = last.1.patch(found_style);
            }
        }
        at = end;
    }
}

/// Draws pieces into cells from a place on, no further than a column. Every character has the cells
/// that a terminal gives it by itself.
pub fn draw(pieces: &[Piece], buffer: &mut ratatui::buffer::Buffer, (x, y): (u16, u16), end: u16) {
    let mut x = x;
    for (text, style) in pieces {
        for (symbol, columns) in cells(text) {
            if columns == 0 || x.saturating_add(columns) > end {
                if columns == 0 {
                    continue;
                }
                return;
            }
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.set_symbol(symbol).set_style(*style);
            }
            if columns == 2 {
                if let Some(cell) = buffer.cell_mut((x + 1, y)) {
                    cell.reset();
                    cell.set_style(*style);
                }
            }
            x += columns;
        }
    }
}

/// Pads or cuts a text to a number of columns.
pub fn fit(text: &str, columns: usize) -> String {
    let text: Cow<'_, str> = cut(text, columns);
    let pad = columns.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(pad))
}
