//! Where the binaries under test are: beside the test executables, in `target/<profile>`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

static BUILDING: Mutex<()> = Mutex::new(());

/// The path of `hubbubd`.
pub fn hubbubd() -> PathBuf {
    find("hubbubd", "hubbub-server")
}

/// The path of `hubbub`.
pub fn hubbub() -> PathBuf {
    find("hubbub", "hubbub-client")
}

fn find(name: &str, package: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test knows its own path");
    // target/<profile>/deps/<test>
    let profile_dir = test.ancestors().nth(2).expect("cargo puts tests two folders deep").to_owned();
    let path = profile_dir.join(name);
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !path.exists() {
        build(package, &profile_dir);
    }
    assert!(path.exists(), "{} is missing; cargo test --workspace builds it", path.display());
    path
}

fn build(package: &str, profile_dir: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--package", package]);
    if profile_dir.ends_with("release") {
        cargo.arg("--release");
    }
    if let Some(target) = profile_dir.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    let status =
        cargo.status().unwrap_or_else(|e| panic!("{package} is not built, and cargo cannot run: {e}"));
    assert!(status.success(), "cargo could not build {package}");
}
