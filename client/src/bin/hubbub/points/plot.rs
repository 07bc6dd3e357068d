//! The plot of the experiment: the share of clients that were served up to a moment, for each server,
//! with time on a logarithmic axis, as one SVG without scripts or fonts of its own. It has a background
//! and colours for light and for dark surroundings. Pure.

use super::outcome::{Report, Side};
use crate::bench::report::grouped;
use crate::ping::short;
use std::fmt::Write as _;
use std::time::Duration;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 25.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 50.0;
/// Steps closer together than this are one.
const STEP: f64 = 0.5;

/// Colours that people with colour blindness can tell apart (Okabe and Ito), seen on white and on black.
const CLASSES: [&str; 2] = ["door", "blocking"];
const STYLE: &str = "\
.back{fill:#ffffff}text{fill:#222222}.grid{stroke:#dddddd}.line{fill:none;stroke-width:2}\
.door{stroke:#0072b2}.blocking{stroke:#d55e00}\
@media (prefers-color-scheme: dark){.back{fill:#14171a}text{fill:#e6e6e6}.grid{stroke:#3a3f44}\
.door{stroke:#56b4e9}.blocking{stroke:#e69f00}}";

/// Where things are.
struct Axes {
    /// Powers of ten, in microseconds.
    low: i32,
    high: i32,
}

impl Axes {
    fn of(sides: &[Side]) -> Axes {
        let delays = || sides.iter().flat_map(|side| side.outcome.delays.steps()).map(|(delay, _)| us(delay));
        let low = delays().fold(f64::INFINITY, f64::min);
        let high = delays().fold(0.0, f64::max);
        if high == 0.0 {
            return Axes { low: 0, high: 1 };
        }
        let low = low.log10().floor() as i32;
        Axes { low, high: (high.log10().ceil() as i32).max(low + 1) }
    }

    fn x(&self, us: f64) -> f64 {
        let part = (us.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }
}

fn us(delay: Duration) -> f64 {
    (delay.as_nanos() as f64 / 1e3).max(0.001)
}

fn y(share: f64) -> f64 {
    HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
}

/// Draws it.
pub fn draw(report: &Report) -> String {
    let axes = Axes::of(&report.sides);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <style>{STYLE}</style>\n<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-weight=\"bold\">{} clients, {} at once: served until then</text>\n",
        grouped(report.clients),
        grouped(report.at_once)
    );
    grid(&axes, &mut out);
    for (n, (side, class)) in report.sides.iter().zip(CLASSES).enumerate() {
        let x = LEFT + n as f64 * (WIDTH - LEFT - RIGHT) / 2.0;
        let _ = writeln!(
            out,
            "<path class=\"line {class}\" d=\"M{x} 44h24\"/><text x=\"{}\" y=\"48\">{}: {} served</text>",
            x + 30.0,
            escaped(&side.name),
            grouped(side.outcome.served())
        );
        let _ = writeln!(out, "<path class=\"line {class}\" d=\"{}\"/>", path(side, &axes));
    }
    out.push_str("</svg>\n");
    out
}

fn grid(axes: &Axes, out: &mut String) {
    for percent in [0, 25, 50, 75, 100] {
        let y = y(f64::from(percent) / 100.0);
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent} %</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0
        );
    }
    for power in axes.low..=axes.high {
        let us = 10f64.powi(power);
        let x = axes.x(us);
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{x:.1} {TOP}V{}\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 18.0,
            moment(us)
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">from connecting to the end of the answer</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 10.0
    );
}

/// Stairs: a step up for each client, as far as the eye can tell them apart.
fn path(side: &Side, axes: &Axes) -> String {
    let mut path = format!("M{LEFT} {:.1}", y(0.0));
    let (mut last_x, mut last_share) = (LEFT, 0.0);
    let steps = side.outcome.delays.steps().peekable();
    let last = side.outcome.served();
    for (delay, served) in steps {
        let (x, share) = (axes.x(us(delay)), served as f64 / side.outcome.clients.max(1) as f64);
        if x - last_x >= STEP || served == last {
            let _ = write!(path, "H{x:.1}V{:.1}", y(share));
            last_x = x;
        }
        last_share = share;
    }
    // Who was not served then never was.
    let _ = write!(path, "V{:.1}H{}", y(last_share), WIDTH - RIGHT);
    path
}

fn moment(us: f64) -> String {
    match us {
        us if us < 1.0 => format!("{us} µs"),
        us if us < 1e6 => short(Duration::from_micros(us as u64)).replace(".0 ", " "),
        us => format!("{} s", us / 1e6),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::example;
    use super::*;
    use crate::bench::report::Delays;

    #[test]
    fn both_servers_are_drawn_up_to_who_was_served() {
        let svg = draw(&example());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("1,000 clients, 500 at once"));
        assert!(svg.contains(">the door at 127.0.0.1:5000: 1,000 served<"));
        assert!(svg.contains(">blocking, backlog 128: 995 served<"));
        for mark in [">10 µs<", ">1 ms<", ">1 s<", ">100 %<"] {
            assert!(svg.contains(mark), "{mark} in {svg}");
        }
        let ends: Vec<&str> =
            svg.lines().filter(|line| line.contains(&format!("H{}\"", WIDTH - RIGHT))).collect();
        let end_of = |class: &str| ends.iter().find(|line| line.contains(class)).copied().unwrap_or("");
        assert!(end_of("line door").contains(&format!("V{:.1}H", y(1.0))), "{ends:?}");
        assert!(end_of("line blocking").contains(&format!("V{:.1}H", y(0.995))), "{ends:?}");
        assert!(svg.contains("prefers-color-scheme: dark") && svg.len() < 64 << 10);
    }

    #[test]
    fn nobody_served_is_a_plot_too() {
        let mut report = example();
        report.sides.iter_mut().for_each(|side| side.outcome.delays = Delays::new());
        assert!(draw(&report).contains(": 0 served"));
    }

    #[test]
    fn moments_are_short() {
        assert_eq!([10.0, 1e3, 1e5, 1e6, 1e7].map(moment), ["10 µs", "1 ms", "100 ms", "1 s", "10 s"]);
    }
}
