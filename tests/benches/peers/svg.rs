//! The plot: rate and the server's processor time against subscribers and against channels, both
//! axes logarithmic, as one SVG without scripts or fonts of its own. Pure.

use crate::report::{Median, Report};
use std::fmt::Write as _;

/// One of the four panels.
struct Panel {
    title: &'static str,
    /// What is on the horizontal axis.
    across: &'static str,
    /// Rows of the table, with their place on that axis.
    points: &'static [(&'static str, f64)],
    value: fn(&Median) -> Option<f64>,
}

const SUBSCRIBERS: &[(&str, f64)] =
    &[("fan-10", 1e1), ("fan-100", 1e2), ("fan-1000", 1e3), ("fan-10000", 1e4)];
const CHANNELS: &[(&str, f64)] = &[("chan-10", 1e1), ("chan-1e3", 1e3), ("chan-1e5", 1e5), ("chan-1e6", 1e6)];

const PANELS: [Panel; 4] = [
    Panel {
        title: "deliveries a second",
        across: "subscribers",
        points: SUBSCRIBERS,
        value: |m| Some(m.value),
    },
    Panel { title: "messages a second", across: "channels", points: CHANNELS, value: |m| Some(m.value) },
    Panel { title: "server µs a delivery", across: "subscribers", points: SUBSCRIBERS, value: |m| m.cpu_us },
    Panel { title: "server µs a message", across: "channels", points: CHANNELS, value: |m| m.cpu_us },
];

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 15.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 45.0;
const LEGEND: f64 = 40.0;

/// Colours that people with colour blindness can tell apart (Okabe and Ito).
const COLOURS: [&str; 7] = ["#d55e00", "#cc79a7", "#e69f00", "#0072b2", "#009e73", "#56b4e9", "#777777"];

/// Draws the four panels; a panel without two points of any server says so.
pub fn plot(report: &Report) -> String {
    let (width, height) = (2.0 * WIDTH, 2.0 * HEIGHT + LEGEND);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (n, panel) in PANELS.iter().enumerate() {
        let (x, y) = ((n % 2) as f64 * WIDTH, (n / 2) as f64 * HEIGHT);
        let _ = writeln!(out, "<g transform=\"translate({x} {y})\">");
        panel.draw(report, &mut out);
        out.push_str("</g>\n");
    }
    for (n, peer) in report.peers.iter().enumerate() {
        let x = 20.0 + n as f64 * (width - 20.0) / report.peers.len() as f64;
        let y = 2.0 * HEIGHT + LEGEND / 2.0;
        let _ = writeln!(
            out,
            "<circle cx=\"{x}\" cy=\"{}\" r=\"5\" fill=\"{}\"/><text x=\"{}\" y=\"{y}\">{}</text>",
            y - 4.0,
            COLOURS[n % COLOURS.len()],
            x + 9.0,
            peer.title
        );
    }
    out.push_str("</svg>\n");
    out
}

impl Panel {
    fn draw(&self, report: &Report, out: &mut String) {
        let lines: Vec<Vec<(f64, f64)>> = report
            .peers
            .iter()
            .map(|peer| {
                let value =
                    |row| report.median(row, peer).and_then(|m| (self.value)(&m)).filter(|v| *v > 0.0);
                self.points.iter().filter_map(|(row, x)| Some((*x, value(row)?))).collect()
            })
            .collect();
        let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"24\" font-weight=\"bold\">{}</text>", self.title);
        let values = || lines.iter().flatten().map(|(_, y)| *y);
        let (Some(low), Some(high)) = (values().min_by(f64::total_cmp), values().max_by(f64::total_cmp))
        else {
            let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"60\">not measured in this run</text>");
            return;
        };
        let (low, high) = (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0));
        let first = self.points[0].1.log10();
        let last = self.points[self.points.len() - 1].1.log10();
        let at_x = |v: f64| LEFT + (v.log10() - first) / (last - first) * (WIDTH - LEFT - RIGHT);
        let at_y = |v: f64| HEIGHT - BOTTOM - (v.log10() - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
        for power in low as i32..=high as i32 {
            let y = at_y(10f64.powi(power));
            let _ = writeln!(
                out,
                "<path d=\"M{LEFT} {y:.1}H{}\" stroke=\"#dddddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                short(10f64.powi(power))
            );
        }
        for (_, x) in self.points {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                at_x(*x),
                HEIGHT - BOTTOM + 17.0,
                short(*x)
            );
        }
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 10.0,
            self.across
        );
        for (n, line) in lines.iter().enumerate() {
            let colour = COLOURS[n % COLOURS.len()];
            let points: Vec<_> =
                line.iter().map(|(x, y)| format!("{:.1},{:.1}", at_x(*x), at_y(*y))).collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                points.join(" ")
            );
            for (x, y) in line {
                let (x, y) = (at_x(*x), at_y(*y));
                let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
            }
        }
    }
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{} M", v / 1e6),
        v if v >= 1e3 => format!("{} k", v / 1e3),
        v => format!("{v}"),
    }
}
