//! The table of what was measured: times and other figures, over all rounds.

/// A figure: what it is, its unit, its values, and what it should not exceed.
struct Row {
    title: String,
    unit: &'static str,
    values: Vec<f64>,
    target: Option<f64>,
}

/// The table.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Notes a value.
    pub fn add(&mut self, title: &str, unit: &'static str, value: f64) {
        self.note(title, unit, value, None);
    }

    /// Notes a value that should not exceed a target.
    pub fn add_with_target(&mut self, title: &str, unit: &'static str, value: f64, target: f64) {
        self.note(title, unit, value, Some(target));
    }

    fn note(&mut self, title: &str, unit: &'static str, value: f64, target: Option<f64>) {
        match self.0.iter_mut().find(|row| row.title == title) {
            Some(row) => row.values.push(value),
            None => self.0.push(Row { title: title.to_owned(), unit, values: vec![value], target }),
        }
    }

    /// Prints all rows, and whether the targets were held.
    pub fn print(&self) {
        println!("{:<60}{:>7}{:>12}{:>12}{:>12}{:>12}", "", "values", "least", "median", "p99", "most");
        for row in &self.0 {
            let mut values = row.values.clone();
            values.sort_unstable_by(f64::total_cmp);
            let last = values.len().saturating_sub(1);
            let part = |part: f64| {
                let value = values[((values.len() as f64 * part) as usize).min(last)];
                if value.abs() >= 1000.0 {
                    format!("{value:.0}")
                } else {
                    format!("{value:.2}")
                }
            };
            let unit = if row.unit.is_empty() { String::new() } else { format!(", {}", row.unit) };
            let title = format!("{}{unit}", row.title);
            let (least, median, p99, most) = (part(0.0), part(0.5), part(0.99), part(1.0));
            println!("{title:<60}{:>7}{least:>12}{median:>12}{p99:>12}{most:>12}", values.len());
            if let Some(target) = row.target {
                let over = values.iter().filter(|value| **value > target).count();
                let verdict =
                    if over == 0 { "held".into() } else { format!("missed by {over} of {}", values.len()) };
                println!("  at most {target} {}: {verdict}", row.unit);
            }
        }
    }
}
