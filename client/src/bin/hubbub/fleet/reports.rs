//! `hubbub fleet report` and `hubbub fleet runs`: what the hub remembers of ended runs.

use crate::cli::Globals;
use crate::connect::Lost;
use crate::exit::{Exit, Failure};
use crate::output::{complain, Output};
use crate::show;
use crate::table::{lasted, Side, Table};
use clap::Args;
use hubbub_client::reply::HistoryReply;
use hubbub_client::Error;
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::fleet::{Report, REPORTS};
use hubbub_shared::refusal::Code;
use serde_json::json;
use serde_json::value::RawValue;

/// Print the report of a run: the last one's, unless another is named
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub fleet report
  hubbub fleet report alpha-20260501T093000Z
  hubbub fleet report --json | jq '.clients[] | select(.status == \"ABORTED\")'")]
pub struct ReportArgs {
    /// The run, as `fleet runs` names it
    run: Option<String>,
}

/// List the runs that the hub remembers
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub fleet runs
  hubbub fleet runs --json | jq -r .run")]
pub struct RunsArgs {}

/// `hubbub fleet report`
pub async fn report(globals: &Globals, args: ReportArgs) -> Result<(), Failure> {
    let reports = remembered(globals).await?;
    let found = match &args.run {
        None => reports.into_iter().next_back(),
        Some(run) => reports.into_iter().rev().find(|(_, report)| report.run == *run),
    };
    let Some((raw, report)) = found else {
        return Err(Failure::new(
            Exit::Refused,
            match &args.run {
                Some(run) => format!("the hub remembers no run {}; hubbub fleet runs lists them", shown(run)),
                None => "no run of a fleet has ended on this hub, or it remembers none".to_owned(),
            },
        ));
    };
    let mut out = Output::new();
    if globals.json {
        out.json(&raw)?;
    } else {
        out.text(&for_people(&report))?;
    }
    out.flush()
}

/// `hubbub fleet runs`
pub async fn runs(globals: &Globals, _: RunsArgs) -> Result<(), Failure> {
    let reports = remembered(globals).await?;
    let mut out = Output::new();
    if globals.json {
        for (raw, _) in &reports {
            out.json(raw)?;
        }
        return out.flush();
    }
    let mut table = Table::new(&[
        ("RUN", Side::Left),
        ("STARTED", Side::Left),
        ("TOOK", Side::Right),
        ("CLIENTS", Side::Right),
        ("PASSED", Side::Right),
        ("ABORTED", Side::Right),
    ]);
    for (_, report) in &reports {
        table.row([
            report.run.clone(),
            report.started_at.clone(),
            lasted(report.seconds),
            report.clients.len().to_string(),
            report.passed.to_string(),
            report.aborted.to_string(),
        ]);
    }
    out.text(&table.render(out.style))?;
    out.flush()
}

/// A report as text. It came over a channel on which anybody may publish: nothing in it moves a cursor.
pub fn for_people(report: &Report) -> String {
    report.to_text().lines().map(|line| shown(line) + "\n").collect()
}

/// The reports that the hub has, the oldest first, as they came and as they are read.
async fn remembered(globals: &Globals) -> Result<Vec<(Box<RawValue>, Report)>, Failure> {
    let client = globals.connect(Lost::End).await?;
    let asked: Result<HistoryReply, Error> = client.command("history", json!({ "channel": REPORTS })).await;
    let _ = client.close().await;
    let history = match asked {
        Ok(history) => history,
        Err(Error::Refused(refusal)) if refusal.code == Code::NoSuchChannel => HistoryReply::default(),
        Err(error) => return Err(error.into()),
    };
    if let Some(words) = show::missing(&history.missing) {
        complain(&words);
    }
    let read = |data: Box<RawValue>| {
        let report = serde_json::from_str(data.get()).ok()?;
        Some((data, report))
    };
    Ok(history.messages.into_iter().filter_map(|message| read(message.data)).collect())
}
