//! Which rows of a scrollback are seen: the newest, or those up to a row that stays where it is
//! whatever arrives and however the screen is resized. Pure.

use super::lay::{rows, Lay, Row};
use super::scrollback::Scrollback;

/// What the last row of the view shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// The newest row there is.
    #[default]
    Newest,
    /// A row of an entry.
    At {
        /// The entry.
        id: u64,
        /// How many of its rows are below the view.
        below: usize,
    },
}

/// A place as an index, which holds until the scrollback changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    index: usize,
    below: usize,
}

impl Place {
    /// Whether it follows what arrives.
    pub fn follows(self) -> bool {
        self == Place::Newest
    }

    /// How many entries are below the view.
    pub fn entries_below(self, scrollback: &Scrollback) -> usize {
        match self {
            Place::Newest => 0,
            Place::At { id, .. } => {
                let last = scrollback.len().saturating_sub(1);
                last - scrollback.index_of(id).unwrap_or(0).min(last)
            }
        }
    }

    /// The rows of the view, from the top; fewer than `height` only when there are no more.
    pub fn view(self, scrollback: &Scrollback, lay: &Lay<'_>, height: usize) -> Vec<Row> {
        let spot = self.spot(scrollback, lay).and_then(|spot| full(spot, scrollback, lay, height));
        let Some(spot) = spot else { return Vec::new() };
        let mut view: Vec<Row> = Vec::new();
        let mut hidden = spot.below;
        for index in (0..=spot.index).rev() {
            let mut some = rows_at(scrollback, index, lay);
            some.truncate(some.len().saturating_sub(hidden));
            hidden = 0;
            view.extend(some.into_iter().rev());
            if view.len() >= height {
                break;
            }
        }
        view.truncate(height);
        view.reverse();
        view
    }

    /// The place so many rows further up (or down, when negative), where the view stays full as far
    /// as there are rows.
    pub fn scrolled(self, up: isize, scrollback: &Scrollback, lay: &Lay<'_>, height: usize) -> Place {
        let Some(spot) = self.spot(scrollback, lay) else { return Place::Newest };
        let moved = match up {
            0.. => raise(spot, up.unsigned_abs(), scrollback, lay),
            _ => lower(spot, up.unsigned_abs(), scrollback, lay),
        };
        moved.and_then(|moved| full(moved, scrollback, lay, height)).map_or(Place::Newest, |spot| {
            let newest = spot.index + 1 >= scrollback.len() && spot.below == 0;
            match scrollback.get(spot.index) {
                Some(entry) if !newest => Place::At { id: entry.id, below: spot.below },
                _ => Place::Newest,
            }
        })
    }

    /// The place that shows the oldest rows.
    pub fn oldest(scrollback: &Scrollback, lay: &Lay<'_>, height: usize) -> Place {
        match scrollback.get(0) {
            Some(entry) => Place::At { id: entry.id, below: 0 }.scrolled(0, scrollback, lay, height),
            None => Place::Newest,
        }
    }

    /// The place that shows an entry with some rows below it.
    pub fn showing(id: u64, scrollback: &Scrollback, lay: &Lay<'_>, height: usize) -> Place {
        let place = Place::At { id, below: 0 };
        place.scrolled(-isize::try_from(height / 3).unwrap_or(0), scrollback, lay, height)
    }

    fn spot(self, scrollback: &Scrollback, lay: &Lay<'_>) -> Option<Spot> {
        let last = scrollback.len().checked_sub(1)?;
        Some(match self {
            Place::Newest => Spot { index: last, below: 0 },
            Place::At { id, below } => {
                // What was looked at is gone: the oldest that is left comes nearest.
                let index = scrollback.index_of(id).unwrap_or(0);
                // At another width it may have fewer rows.
                let most = rows_at(scrollback, index, lay).len().saturating_sub(1);
                Spot { index, below: below.min(most) }
            }
        })
    }
}

fn rows_at(scrollback: &Scrollback, index: usize, lay: &Lay<'_>) -> Vec<Row> {
    let before = index.checked_sub(1).and_then(|before| scrollback.get(before));
    scrollback.get(index).map(|entry| rows(entry, before, lay)).unwrap_or_default()
}

fn raise(mut spot: Spot, mut up: usize, scrollback: &Scrollback, lay: &Lay<'_>) -> Option<Spot> {
    loop {
        let above = rows_at(scrollback, spot.index, lay).len().saturating_sub(spot.below);
        if up < above {
            return Some(Spot { below: spot.below + up, ..spot });
        }
        up -= above;
        match spot.index.checked_sub(1) {
            Some(index) => spot = Spot { index, below: 0 },
            None => return Some(Spot { index: 0, below: above.saturating_sub(1) + spot.below }),
        }
    }
}

fn lower(mut spot: Spot, mut down: usize, scrollback: &Scrollback, lay: &Lay<'_>) -> Option<Spot> {
    loop {
        if down <= spot.below {
            return Some(Spot { below: spot.below - down, ..spot });
        }
        down -= spot.below;
        let index = spot.index + 1;
        if index >= scrollback.len() {
            return Some(Spot { below: 0, ..spot });
        }
        spot = Spot { index, below: rows_at(scrollback, index, lay).len() };
    }
}

/// The nearest spot from which the view is full.
fn full(spot: Spot, scrollback: &Scrollback, lay: &Lay<'_>, height: usize) -> Option<Spot> {
    let mut there = rows_at(scrollback, spot.index, lay).len().saturating_sub(spot.below);
    let mut index = spot.index;
    while there < height && index > 0 {
        index -= 1;
        there += rows_at(scrollback, index, lay).len();
    }
    match height.saturating_sub(there) {
        0 => Some(spot),
        missing => lower(spot, missing, scrollback, lay),
    }
}
