//! Which running hub `status` and `shutdown` mean: the one of a pid file, where one or a data folder
//! was given; else the one that holds the default pid file; else those of the run folder.

use super::pid_file::{self, Found};
use crate::cluster::discovery::RunDir;
use crate::config::Finding;
use anyhow::Context;
use hubbub_shared::run::RunFile;
use std::path::PathBuf;

/// What was found.
pub enum Target {
    /// The hub that holds this pid file, or nobody.
    PidFile(PathBuf),
    /// More than one could be meant.
    Several(Vec<RunFile>),
}

/// Looks for the hub that is meant.
pub fn find(wanted: &Finding) -> anyhow::Result<Target> {
    let by_default = || Target::PidFile(wanted.pid_file.clone());
    let names_some = wanted.name.is_some() || wanted.cluster.is_some() || !wanted.run_dir.is_default;
    if wanted.is_exact || !names_some && matches!(pid_file::look(&wanted.pid_file)?, Found::Running(_)) {
        return Ok(by_default());
    }
    let path = &wanted.run_dir.value;
    let context = || format!("cannot look into the run folder {}", path.display());
    let Some(run_dir) = RunDir::look(path).with_context(context)? else { return Ok(by_default()) };
    let mut running = run_dir.running().with_context(context)?;
    let is = |wanted: &Option<String>, found: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
    };
    running.retain(|run| is(&wanted.name, &run.serving.name) && is(&wanted.cluster, &run.cluster));
    Ok(match running.len() {
        0 => by_default(),
        1 => Target::PidFile(running.swap_remove(0).pid_file),
        _ => Target::Several(running),
    })
}
