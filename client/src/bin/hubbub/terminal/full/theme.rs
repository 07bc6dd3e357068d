//! The looks: a style for each role, and a colour for each name. The terminal's own background and text
//! colour are kept; what they are is known only as dark or light. Only the 16 colours that every
//! terminal's owner chose for themselves are used, and for names those of the 256 that can be read.
//! Pure: the environment is an argument. It draws nothing.

use ratatui::style::{Color, Modifier, Style};

/// Which looks somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choice {
    /// As the environment tells the background; dark where it says nothing.
    Auto,
    /// For a dark background.
    Dark,
    /// For a light background.
    Light,
    /// No colours.
    None,
}

/// The choices as they are written.
pub const CHOICES: &[(&str, Choice)] =
    &[("auto", Choice::Auto), ("dark", Choice::Dark), ("light", Choice::Light), ("none", Choice::None)];

/// Which colours names have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// None: names are bold.
    Plain,
    /// The eight of the oldest terminals, some of them bold.
    Few(&'static [(Color, Modifier)]),
    /// Of the 256.
    Many(&'static [u8]),
}

/// A style for each role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// What people say.
    pub text: Style,
    /// What matters less: hints, counts, folded parts.
    pub dim: Style,
    /// The time of a message, and day separators.
    pub time: Style,
    /// One's own name.
    pub own: Style,
    /// What the hub says: who came, replies to commands.
    pub notice: Style,
    /// Messages that are missing.
    pub gap: Style,
    /// What went wrong.
    pub error: Style,
    /// One's name in a message, or a word that counts as such.
    pub mention: Style,
    /// The conversation that is shown, in the list; what is marked in copy mode.
    pub selected: Style,
    /// A conversation with something unread.
    pub unread: Style,
    /// A conversation in which one was mentioned.
    pub mentioned: Style,
    /// A conversation that is muted.
    pub muted: Style,
    /// The bar with the topic.
    pub title: Style,
    /// Lines between the parts of the screen.
    pub border: Style,
    /// The bar with server, name and state.
    pub status: Style,
    /// The same while there is no connection.
    pub status_bad: Style,
    /// JSON: a key.
    pub key: Style,
    /// JSON: a string.
    pub string: Style,
    /// JSON: a number.
    pub number: Style,
    /// JSON: true, false, null.
    pub word: Style,
    /// JSON: brackets, commas, colons.
    pub punctuation: Style,
    /// What a search found.
    pub found: Style,
    /// A list on top of everything.
    pub popup: Style,
    /// What is selected in it.
    pub popup_selected: Style,
    names: Names,
}

impl Theme {
    /// The looks for a choice and an environment: `NO_COLOR`, `TERM`, `COLORTERM`, `COLORFGBG`.
    pub fn new(choice: Choice, env: impl Fn(&str) -> Option<String>) -> Theme {
        let of = |key| env(key).unwrap_or_default();
        let term = of("TERM").to_ascii_lowercase();
        if choice == Choice::None || !of("NO_COLOR").is_empty() || term == "dumb" {
            return Theme::plain();
        }
        let light = match choice {
            Choice::Light => true,
            Choice::Auto => is_light(&of("COLORFGBG")),
            Choice::Dark | Choice::None => false,
        };
        let names = match (has_256(&term, &of("COLORTERM")), light) {
            (true, false) => Names::Many(ON_DARK),
            (true, true) => Names::Many(ON_LIGHT),
            (false, false) => Names::Few(FEW_ON_DARK),
            (false, true) => Names::Few(FEW_ON_LIGHT),
        };
        Theme::coloured(light, names)
    }

    /// The style of a name: the same in every run and on every machine, and for however the name's
    /// letters are written.
    pub fn name(&self, name: &str) -> Style {
        match self.names {
            Names::Plain => Style::new().add_modifier(Modifier::BOLD),
            Names::Few(colours) => {
                let (colour, modifier) = colours[pick(name, colours.len())];
                Style::new().fg(colour).add_modifier(modifier)
            }
            Names::Many(colours) => Style::new().fg(Color::Indexed(colours[pick(name, colours.len())])),
        }
    }

    fn plain() -> Theme {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let dim = plain.add_modifier(Modifier::DIM);
        let reversed = plain.add_modifier(Modifier::REVERSED);
        Theme {
            text: plain,
            dim,
            time: dim,
            own: bold.add_modifier(Modifier::UNDERLINED),
            notice: dim,
            gap: bold,
            error: bold,
            mention: reversed,
            selected: reversed,
            unread: bold,
            mentioned: bold.add_modifier(Modifier::UNDERLINED),
            muted: dim,
            title: reversed,
            border: dim,
            status: reversed,
            status_bad: reversed.add_modifier(Modifier::BOLD),
            key: bold,
            string: plain,
            number: plain,
            word: plain,
            punctuation: dim,
            found: reversed.add_modifier(Modifier::UNDERLINED),
            popup: plain,
            popup_selected: reversed,
            names: Names::Plain,
        }
    }

    /// Dim is a modifier and not the colour "bright black", which some palettes make the background.
    fn coloured(light: bool, names: Names) -> Theme {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let dim = plain.add_modifier(Modifier::DIM);
        let reversed = plain.add_modifier(Modifier::REVERSED);
        // The bright half cannot be read on white, and yellow and cyan neither.
        let on = |dark, bright| plain.fg(if light { dark } else { bright });
        // Where there are eight colours, bold makes them bright.
        let few = matches!(names, Names::Few(_));
        let white = if few { Color::Gray } else { Color::White };
        let bright = |colour, bright| plain.fg(if light || few { colour } else { bright });
        Theme {
            text: plain,
            dim,
            time: dim,
            own: bold,
            notice: on(Color::Blue, Color::Cyan),
            gap: on(Color::Magenta, Color::Yellow),
            error: bright(Color::Red, Color::LightRed).add_modifier(Modifier::BOLD),
            mention: plain.fg(white).bg(Color::Magenta).add_modifier(Modifier::BOLD),
            selected: reversed,
            unread: bold,
            mentioned: bright(Color::Magenta, Color::LightMagenta).add_modifier(Modifier::BOLD),
            muted: dim,
            title: plain.fg(white).bg(Color::Blue),
            border: dim,
            status: plain.fg(white).bg(Color::Blue),
            status_bad: plain.fg(white).bg(Color::Red).add_modifier(Modifier::BOLD),
            key: on(Color::Blue, Color::Cyan),
            string: plain.fg(Color::Green),
            number: bright(Color::Magenta, Color::LightMagenta),
            word: on(Color::Red, Color::Yellow),
            punctuation: dim,
            found: plain.fg(Color::Black).bg(Color::Yellow),
            popup: plain,
            popup_selected: reversed,
            names,
        }
    }
}

/// Whether `COLORFGBG` (`15;0`, `0;default;15`) tells of a light background.
fn is_light(variable: &str) -> bool {
    let background = variable.rsplit(';').next().and_then(|field| field.trim().parse::<u8>().ok());
    matches!(background, Some(7 | 9..=15))
}

/// Whether a terminal has the 256 colours.
fn has_256(term: &str, colorterm: &str) -> bool {
    // Terminals that do not say so in their name.
    const KNOWN: &[&str] = &["alacritty", "contour", "foot", "ghostty", "iterm", "kitty", "wezterm"];
    let named = || KNOWN.iter().any(|known| term.contains(known));
    !colorterm.is_empty() || term.contains("256color") || term.ends_with("-direct") || named()
}

/// A number below `length` for a name: 64-bit FNV-1a of the name in small letters, since names are
/// unique without regard to case.
fn pick(name: &str, length: usize) -> usize {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(PRIME);
    let hash = name.bytes().fold(BASIS, step);
    // The low bits alone know little of the last letters' high bits.
    ((hash ^ (hash >> 32)) % length as u64) as usize
}

/// Names on dark: light colours of the 256, far apart, none near the greys of other text.
const ON_DARK: &[u8] = &[
    203, 208, 220, 148, 113, 78, 43, 45, 75, 111, 141, 177, 213, 205, 216, 180, 186, 117, //
];
/// Names on light: the dark ones.
const ON_LIGHT: &[u8] = &[
    124, 160, 130, 94, 64, 28, 22, 29, 30, 24, 25, 20, 57, 92, 127, 125, 161, 54, //
];
/// Names where there are eight colours: blue is too dark unless it is bold, which makes it bright.
const FEW_ON_DARK: &[(Color, Modifier)] = &[
    (Color::Red, Modifier::BOLD),
    (Color::Green, Modifier::empty()),
    (Color::Green, Modifier::BOLD),
    (Color::Yellow, Modifier::empty()),
    (Color::Yellow, Modifier::BOLD),
    (Color::Blue, Modifier::BOLD),
    (Color::Magenta, Modifier::empty()),
    (Color::Magenta, Modifier::BOLD),
    (Color::Cyan, Modifier::empty()),
    (Color::Cyan, Modifier::BOLD),
];
/// The same on white, where the others cannot be read.
const FEW_ON_LIGHT: &[(Color, Modifier)] = &[
    (Color::Red, Modifier::empty()),
    (Color::Blue, Modifier::empty()),
    (Color::Magenta, Modifier::empty()),
    (Color::Red, Modifier::UNDERLINED),
    (Color::Blue, Modifier::UNDERLINED),
    (Color::Magenta, Modifier::UNDERLINED),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn with(choice: Choice, variables: &[(&str, &str)]) -> Theme {
        Theme::new(choice, |key| {
            variables.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned())
        })
    }

    fn styles(theme: &Theme) -> Vec<Style> {
        let Theme {
            text,
            dim,
            time,
            own,
            notice,
            gap,
            error,
            mention,
            selected,
            unread,
            mentioned,
            muted,
            title,
            border,
            status,
            status_bad,
            key,
            string,
            number,
            word,
            punctuation,
            found,
            popup,
            popup_selected,
            names: _,
        } = theme.clone();
        let mut all = vec![
            text,
            dim,
            time,
            own,
            notice,
            gap,
            error,
            mention,
            selected,
            unread,
            mentioned,
            muted,
            title,
            border,
            status,
            status_bad,
            key,
            string,
            number,
            word,
            punctuation,
            found,
            popup,
            popup_selected,
        ];
        all.extend((0..100).map(|n| theme.name(&format!("client-{n}"))));
        all
    }

    /// The contrast of two luminances, from 1 to 21 (WCAG 2).
    fn contrast(one: f64, other: f64) -> f64 {
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn luminance(rgb: [u8; 3]) -> f64 {
        let channel = |value: u8| match f64::from(value) / 255.0 {
            part if part <= 0.04045 => part / 12.92,
            part => ((part + 0.055) / 1.055).powf(2.4),
        };
        0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2])
    }

    /// A colour of the 6×6×6 cube, which has the same values in all terminals.
    fn rgb(index: u8) -> [u8; 3] {
        const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
        assert!((16..232).contains(&index), "{index} is not of the cube");
        let at = usize::from(index - 16);
        [LEVELS[at / 36], LEVELS[at / 6 % 6], LEVELS[at % 6]]
    }

    #[test]
    fn names_can_be_read_on_their_background() {
        for (palette, background) in [(ON_DARK, 0.0), (ON_LIGHT, 1.0)] {
            assert!(palette.len() >= 12);
            assert_eq!(palette.iter().collect::<HashSet<_>>().len(), palette.len());
            for index in palette {
                let contrast = contrast(luminance(rgb(*index)), background);
                // WCAG asks for 3 at least; more, since few backgrounds are quite black or white.
                assert!(contrast >= 4.0, "{index}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn a_name_has_one_colour_for_ever() {
        let dark = with(Choice::Dark, &[("TERM", "xterm-256color")]);
        assert_eq!(dark.name("bob"), dark.name("BOB"));
        // Golden: another hash would give everybody another colour.
        let golden = ["bob", "alice", "guest-1", "guest-2"].map(|name| pick(name, 1 << 16));
        assert_eq!(golden, [20045, 5052, 61776, 64889]);
    }

    #[test]
    fn names_spread_over_the_palette() {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for n in 0..1800 {
            *counts.entry(pick(&format!("guest-{n}"), ON_DARK.len())).or_default() += 1;
        }
        assert_eq!(counts.len(), ON_DARK.len());
        assert!(counts.values().all(|count| (50..=200).contains(count)), "{counts:?}");
    }

    #[test]
    fn no_colour_means_none_at_all() {
        for theme in [
            with(Choice::None, &[("TERM", "xterm-256color")]),
            with(Choice::Dark, &[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]),
            with(Choice::Auto, &[("TERM", "dumb")]),
        ] {
            assert!(styles(&theme).iter().all(|style| style.fg.is_none() && style.bg.is_none()));
            let differ = [theme.text, theme.mention, theme.unread, theme.mentioned, theme.dim, theme.found];
            assert_eq!(differ.iter().collect::<HashSet<_>>().len(), differ.len());
        }
        let empty = with(Choice::Dark, &[("NO_COLOR", ""), ("TERM", "xterm")]);
        assert!(empty.error.fg.is_some(), "an empty NO_COLOR does not count");
    }

    #[test]
    fn the_environment_tells_the_background() {
        let auto = |value| with(Choice::Auto, &[("TERM", "xterm-256color"), ("COLORFGBG", value)]);
        let dark = with(Choice::Dark, &[("TERM", "xterm-256color")]);
        let light = with(Choice::Light, &[("TERM", "xterm-256color")]);
        assert_ne!(dark, light);
        for value in ["0;15", "0;default;15", "0;7", "0;9", "0; 15"] {
            assert_eq!(auto(value), light, "{value}");
        }
        for value in ["", "15;0", "15;default", "7;8", "0;16", "15;", "x"] {
            assert_eq!(auto(value), dark, "{value}");
        }
        assert_eq!(with(Choice::Dark, &[("TERM", "xterm-256color"), ("COLORFGBG", "0;15")]), dark);
    }

    #[test]
    fn old_terminals_get_eight_colours() {
        let many = |style: &Style| matches!(style.fg, Some(Color::Indexed(_)));
        const EIGHT: [Color; 8] = {
            use Color::{Black, Blue, Cyan, Gray, Green, Magenta, Red, Yellow};
            [Black, Red, Green, Yellow, Blue, Magenta, Cyan, Gray]
        };
        let eight = |style: &Style| style.fg.iter().chain(&style.bg).all(|colour| EIGHT.contains(colour));
        for variables in [&[("TERM", "linux")][..], &[("TERM", "xterm")], &[]] {
            assert!(styles(&with(Choice::Auto, variables)).iter().all(eight), "{variables:?}");
        }
        for variables in
            [[("TERM", "tmux-256color")], [("TERM", "xterm-kitty")], [("COLORTERM", "truecolor")]]
        {
            assert!(many(&with(Choice::Auto, &variables).name("bob")), "{variables:?}");
        }
        // Only the 16 in the roles, and no role sets the background of plain text.
        let theme = with(Choice::Light, &[("TERM", "xterm-256color")]);
        assert_eq!((theme.text, theme.popup), (Style::new(), Style::new()));
    }
}
