//! The configuration as a whole: each source, their order, the place of every error.
#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;

fn around(variables: &[(&str, &str)]) -> Surroundings {
    Surroundings {
        environment: variables.iter().map(|(key, value)| (key.into(), value.into())).collect(),
        host_name: "box.example".into(),
        temp_dir: "/passing".into(),
        user: 1000,
        on_terminal: false,
        descriptors: Some(1024),
    }
}

fn loaded(flags: &[&str], variables: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let words = ["hubbubd"].into_iter().chain(flags.iter().copied());
    let matches = command().try_get_matches_from(words).map_err(|error| vec![error.to_string()])?;
    load(&matches, &around(variables)).map_err(|wrong| wrong.0)
}

fn errors(flags: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    loaded(flags, variables).map(|loaded| loaded.config).unwrap_err()
}

#[test]
fn the_defaults_are_the_protocols() {
    let Loaded { config, settings, warnings, .. } = loaded(&[], &[("HOME", "/home/bob")]).unwrap();
    assert_eq!(config.listen.to_string(), hubbub_shared::DEFAULT_CLIENT_ADDR);
    assert_eq!((config.name.as_str(), config.threads, config.insecure), ("box.example", 1, false));
    assert_eq!(config.data_dir, Path::new("/home/bob/.local/share/hubbub"));
    assert_eq!(config.pid_file, Path::new("/home/bob/.local/share/hubbub/hubbubd.pid"));
    assert_eq!(config.ready_file, None);
    assert_eq!(config.limits, Limits { max_clients: 960, ..Limits::default() });
    assert_eq!((config.log_level, config.log_format), (LevelFilter::Info, LogFormat::Json));
    assert_eq!(config.drain_deadline, Duration::from_secs(5));
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(settings.iter().all(|setting| setting.source == Source::Default));
}

#[test]
fn every_option_of_the_table_is_read_and_its_default_is_told_right() {
    let settings = loaded(&[], &[("HOME", "/h")]).unwrap().settings;
    let mut read: Vec<&str> = settings.iter().map(|setting| setting.name).collect();
    let mut known: Vec<&str> = options::OPTIONS.iter().map(|option| option.name).collect();
    read.sort_unstable();
    known.sort_unstable();
    assert_eq!(read, known);
    for option in options::OPTIONS {
        let value = &settings.iter().find(|setting| setting.name == option.name).unwrap().value;
        let told = option.default;
        // Those that depend on the machine are told in words.
        let in_words = ["name", "data-dir", "pid-file", "log-format", "max-clients"].contains(&option.name);
        let same = match (values::duration_text(told), values::duration_text(value)) {
            (Ok(told), Ok(value)) => told == value,
            _ => told == value,
        };
        assert!(in_words || same, "{}: {told} is told, {value} is true", option.name);
    }
}

#[test]
fn every_source_is_read_and_the_nearer_one_counts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.toml");
    fs::write(
        &file,
        "name = 'file'\nthreads = 2\nmax-queue = '2MiB'\nidle-timeout = '2m'\ninsecure = true\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let variables = [
        ("HUBBUB_CONFIG", file),
        ("HUBBUB_NAME", "variable"),
        ("HUBBUB_THREADS", "3"),
        ("HUBBUB_MAX_LINE", ""),
    ];
    let Loaded { config, settings, .. } =
        loaded(&["--name", "flag", "--insecure=false"], &variables).unwrap();
    assert_eq!((config.name.as_str(), config.threads, config.insecure), ("flag", 3, false));
    assert_eq!((config.limits.max_queue, config.limits.idle_timeout_s), (2 << 20, 120));
    assert_eq!(config.limits.max_line, 64 << 10, "an empty variable counts as not given");
    let source = |name: &str| settings.iter().find(|s| s.name == name).unwrap().source.to_string();
    assert_eq!(source("name"), "flag");
    assert_eq!(source("threads"), "environment");
    assert_eq!(source("max-queue"), format!("{file}:3:13"));
    assert_eq!(source("max-line"), "default");

    // A flag behind a subcommand is nearer than one before it, and --config is a flag too.
    let absent = [("HUBBUB_CONFIG", "/absent.toml")];
    let config =
        loaded(&["--name", "far", "check", "--name", "near", "--config", file], &absent).unwrap().config;
    assert_eq!((config.name.as_str(), config.threads, config.insecure), ("near", 2, true));
}

#[test]
fn every_option_tells_its_mistakes_at_each_place() {
    let wrong = [
        ("listen", "nowhere"),
        ("name", "two words"),
        ("insecure", "perhaps"),
        ("threads", "0"),
        ("data-dir", "~/hub"),
        ("pid-file", "~/pid"),
        ("ready-file", "~/ready"),
        ("log-level", "loud"),
        ("log-format", "xml"),
        ("max-clients", "-1"),
        ("max-line", "1"),
        ("max-frame", "1GiB"),
        ("max-queue", "8 parsecs"),
        ("stall-timeout", "10"),
        ("idle-timeout", "0s"),
        ("max-subscriptions", "0"),
        ("max-channels", "many"),
        ("history-messages", "1.5"),
        ("history-bytes", "lots"),
        ("history-total-bytes", "2TiB"),
        ("drain-deadline", "2h"),
    ];
    assert_eq!(wrong.len(), options::OPTIONS.len());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.toml");
    for (name, value) in wrong {
        let told = errors(&[&format!("--{name}={value}")], &[("HOME", "/h")]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(&format!("--{name}: \"{value}\"")), "{told:?}");
        let because = told[0].split_once(": ").unwrap().1.to_owned();

        let variable = options::variable(name);
        assert_eq!(errors(&[], &[("HOME", "/h"), (&variable, value)]), [format!("{variable}: {because}")]);

        fs::write(&file, format!("\n{name} = '{value}'\n")).unwrap();
        let place = format!("{}:2:{}: {name}", file.display(), name.len() + 4);
        assert_eq!(errors(&["--config", file.to_str().unwrap()], &[]), [format!("{place}: {because}")]);
    }
    let all: Vec<String> = wrong.iter().map(|(name, value)| format!("--{name}={value}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(errors(&all, &[]).len(), wrong.len(), "all are told at once");
}

#[test]
fn mistakes_of_the_command_line_itself() {
    let told = &errors(&["--max-qeue", "1"], &[])[0];
    assert!(told.contains("--max-queue"), "{told}");
    assert!(errors(&["--name"], &[])[0].contains("--name"));
    assert!(errors(&["serve"], &[])[0].contains("serve"));
    assert!(errors(&["--config", "/absent.toml"], &[])[0]
        .starts_with("--config: cannot read /absent.toml: No such"));
    let told = errors(&[], &[("HUBBUB_CONFIG", "/absent.toml")]);
    assert!(told[0].starts_with("HUBBUB_CONFIG: cannot read"), "{told:?}");
}

#[test]
fn a_variable_that_is_not_utf8() {
    use std::os::unix::ffi::OsStringExt;
    let matches = command().try_get_matches_from(["hubbubd"]).unwrap();
    let mut around = around(&[]);
    around.environment.push(("HUBBUB_NAME".into(), OsString::from_vec(vec![0xff])));
    assert_eq!(load(&matches, &around).unwrap_err().0, ["HUBBUB_NAME: the value is not UTF-8"]);
}

#[test]
fn only_insecure_serves_beyond_this_machine() {
    for open in ["0.0.0.0:7411", "[::]:7411", "192.0.2.7:7411", "[::ffff:192.0.2.7]:1"] {
        let told = errors(&["--listen", open], &[]);
        assert!(told[0].starts_with(&format!("--listen: {open} can be reached")), "{told:?}");
        assert!(told[0].contains("--insecure"), "{told:?}");
        assert!(loaded(&["--listen", open, "--insecure"], &[]).unwrap().config.insecure);
    }
    for own in ["127.0.0.1:0", "127.8.8.8:1", "[::1]:0", "localhost:0", "[::ffff:127.0.0.1]:0"] {
        assert!(!loaded(&["--listen", own], &[]).unwrap().config.insecure, "{own}");
    }
    let told = errors(&[], &[("HUBBUB_LISTEN", "0.0.0.0:1")]);
    assert!(told[0].starts_with("HUBBUB_LISTEN: "), "{told:?}");
}

#[test]
fn the_data_folder() {
    let dir = |variables: &[(&str, &str)]| loaded(&[], variables).unwrap().config.data_dir;
    assert_eq!(dir(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")]), Path::new("/x/hubbub"));
    assert_eq!(dir(&[("HOME", "/h"), ("XDG_DATA_HOME", "relative")]), Path::new("/h/.local/share/hubbub"));
    let Loaded { config, warnings, passing_data_dir, .. } = loaded(&[], &[]).unwrap();
    assert_eq!((config.data_dir.as_path(), passing_data_dir), (Path::new("/passing/hubbub-1000"), true));
    assert!(warnings[0].contains("--data-dir"), "{warnings:?}");
    let Loaded { config, warnings, passing_data_dir, .. } = loaded(&["--data-dir", "/d"], &[]).unwrap();
    assert!(!passing_data_dir);
    assert_eq!((config.pid_file.as_path(), warnings.len()), (Path::new("/d/hubbubd.pid"), 0));
}

#[test]
fn a_running_hub_is_found_whatever_else_is_wrong() {
    let words = ["hubbubd", "status", "--data-dir", "/d"];
    let matches = command().try_get_matches_from(words).unwrap();
    let found = find_pid_file(&matches, &around(&[("HUBBUB_MAX_QUEUE", "8 parsecs")]));
    assert_eq!(found.unwrap(), Path::new("/d/hubbubd.pid"));
    let found = find_pid_file(&matches, &around(&[("HUBBUB_PID_FILE", "/run/hub.pid")]));
    assert_eq!(found.unwrap(), Path::new("/run/hub.pid"));
}

#[test]
fn what_is_odd_is_told_and_allowed() {
    let odd = |flags: &[&str], variables: &[(&str, &str)]| {
        let variables: Vec<_> = [("HOME", "/h")].into_iter().chain(variables.iter().copied()).collect();
        loaded(flags, &variables).unwrap().warnings.join("\n")
    };
    assert!(odd(&["--max-clients", "961"], &[]).contains("room for 960"));
    assert!(odd(&["--max-queue", "64KiB"], &[]).contains("max-frame (1MiB)"));
    assert!(odd(&[], &[("HUBBUB_LISTN", "x")]).contains("HUBBUB_LISTEN"));
    assert_eq!(odd(&["--max-clients", "960", "--max-queue", "1MiB"], &[]), "");
}

#[test]
fn the_room_for_clients() {
    assert_eq!(clients_for(Some(256)), 192);
    assert_eq!((clients_for(Some(64)), clients_for(Some(0))), (1, 1));
    assert_eq!((clients_for(None), clients_for(Some(u64::MAX))), (MOST_CLIENTS, MOST_CLIENTS));
}

#[test]
fn a_hosts_name_becomes_a_servers() {
    assert_eq!(server_name("alpha"), "alpha");
    assert_eq!(server_name("büro pc"), "b-ro-pc");
    assert_eq!(server_name("-.a."), "a");
    assert_eq!(server_name(&format!("web.{}", "d".repeat(40))), "web");
    assert_eq!(server_name(&"n".repeat(40)), "n".repeat(32));
    for nothing in ["", "---", "日本"] {
        assert_eq!(server_name(nothing), "hubbub");
    }
}
