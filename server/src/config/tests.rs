//! The configuration as a whole: each source, their order, the place of every error.
#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;

fn around(variables: &[(&str, &str)]) -> Surroundings {
    Surroundings {
        environment: variables.iter().map(|(key, value)| (key.into(), value.into())).collect(),
        host_name: "box.example".into(),
        temp_dir: "/passing".into(),
        runtime_dir: None,
        user: 1000,
        on_terminal: false,
        descriptors: Some(1024),
        cores: 4,
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
    assert_eq!(config.listen.value.to_string(), hubbub_shared::DEFAULT_CLIENT_ADDR);
    assert_eq!(config.peer_listen.value.to_string(), "127.0.0.1:7412");
    assert_eq!((config.name.value.as_str(), config.threads, config.insecure), ("box.example", 1, false));
    assert_eq!(config.workers, 3, "one core of four is for the sockets");
    assert_eq!(config.data_dir.value, Path::new("/home/bob/.local/share/hubbub"));
    assert!(config.listen.is_default && config.peer_listen.is_default);
    assert!(config.name.is_default && config.data_dir.is_default);
    assert_eq!(config.pid_file, None);
    let ClusterConfig { name, join, secrets, lan, run_dir } = config.cluster;
    assert_eq!((name.as_str(), join, secrets, lan), ("hubbub", vec![], vec![], false));
    assert_eq!(run_dir, Path::new("/passing/hubbub-run-1000"));
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
        let in_words = ["name", "run-dir", "workers", "data-dir", "pid-file", "log-format", "max-clients"]
            .contains(&option.name);
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
    assert_eq!((config.name.value.as_str(), config.threads, config.insecure), ("flag", 3, false));
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
    assert_eq!((config.name.value.as_str(), config.threads, config.insecure), ("near", 2, true));
}

#[test]
fn every_option_tells_its_mistakes_at_each_place() {
    let wrong = [
        ("listen", "nowhere"),
        ("peer-listen", "7412"),
        ("name", "two words"),
        ("cluster", "my cluster"),
        ("join", "10.0.0"),
        ("cluster-secret-file", "~/secrets"),
        ("cluster-secret", "hush"),
        ("lan", "here"),
        ("run-dir", "~/run"),
        ("door", "cellar"),
        ("doors", "some"),
        ("allow-shutdown", "maybe"),
        ("until-stdin-ends", "maybe"),
        ("insecure", "perhaps"),
        ("threads", "0"),
        ("workers", "0"),
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
        ("persistent-timeout", "soon"),
        ("max-subscriptions", "0"),
        ("max-channels", "many"),
        ("history-messages", "1.5"),
        ("history-bytes", "lots"),
        ("history-total-bytes", "2TiB"),
        ("max-factor-bits", "129"),
        ("max-fibonacci", "10000001"),
        ("drain-deadline", "2h"),
    ];
    assert_eq!(wrong.len(), options::OPTIONS.len());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.toml");
    for (name, value) in wrong {
        let told = errors(&[&format!("--{name}={value}")], &[("HOME", "/h")]);
        assert_eq!(told.len(), 1, "{told:?}");
        // A secret is not shown, not even a wrong one.
        let shown = if name == "cluster-secret" { "a secret of 4 ".into() } else { format!("\"{value}\"") };
        assert!(told[0].starts_with(&format!("--{name}: {shown}")), "{told:?}");
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
    let dir = |variables: &[(&str, &str)]| loaded(&[], variables).unwrap().config.data_dir.value;
    assert_eq!(dir(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")]), Path::new("/x/hubbub"));
    assert_eq!(dir(&[("HOME", "/h"), ("XDG_DATA_HOME", "relative")]), Path::new("/h/.local/share/hubbub"));
    // A name of one's own has a folder of its own.
    assert_eq!(dir(&[("HOME", "/h"), ("HUBBUB_NAME", "beta")]), Path::new("/h/.local/share/hubbub/beta"));
    let Loaded { config, warnings, passing_dir, .. } = loaded(&["--name", "beta"], &[]).unwrap();
    assert_eq!(config.data_dir.value, Path::new("/passing/hubbub-1000/beta"));
    assert_eq!(passing_dir.as_deref(), Some(Path::new("/passing/hubbub-1000")));
    assert!(warnings[0].contains("--data-dir"), "{warnings:?}");
    let words = ["--data-dir", "/d", "--name", "beta"];
    let Loaded { config, warnings, passing_dir, settings } = loaded(&words, &[]).unwrap();
    assert_eq!((config.data_dir.value.as_path(), config.data_dir.is_default), (Path::new("/d"), false));
    assert_eq!((passing_dir, warnings.len()), (None, 0));
    let pid_file = settings.iter().find(|setting| setting.name == "pid-file").unwrap();
    assert_eq!(pid_file.value, "/d/hubbubd.pid");
}

#[test]
fn a_running_hub_is_found_whatever_else_is_wrong() {
    let found = |words: &[&str], variable: (&str, &str)| {
        let words = ["hubbubd", "status"].iter().chain(words);
        let matches = command().try_get_matches_from(words).unwrap();
        find(&matches, &around(&[variable, ("HOME", "/h")])).unwrap()
    };
    let by_folder = found(&["--data-dir", "/d"], ("HUBBUB_MAX_QUEUE", "8 parsecs"));
    assert_eq!((by_folder.pid_file.as_path(), by_folder.is_exact), (Path::new("/d/hubbubd.pid"), true));
    let by_file = found(&[], ("HUBBUB_PID_FILE", "/run/hub.pid"));
    assert_eq!((by_file.pid_file.as_path(), by_file.is_exact), (Path::new("/run/hub.pid"), true));

    let by_name = found(&["--name", "beta", "--cluster", "blue"], ("HUBBUB_RUN_DIR", "/r"));
    assert_eq!(by_name.pid_file, Path::new("/h/.local/share/hubbub/beta/hubbubd.pid"));
    assert!(!by_name.is_exact && !by_name.run_dir.is_default);
    assert_eq!((by_name.name.as_deref(), by_name.cluster.as_deref()), (Some("beta"), Some("blue")));
    let by_nothing = found(&[], ("HUBBUB_THREADS", "3"));
    assert_eq!((by_nothing.name, by_nothing.cluster, by_nothing.is_exact), (None, None, false));
    assert!(by_nothing.run_dir.is_default);
}

#[test]
fn the_run_folder() {
    let mut around = around(&[("HOME", "/h")]);
    around.runtime_dir = Some("/run/user/1000".into());
    let matches = command().try_get_matches_from(["hubbubd"]).unwrap();
    let run_dir = load(&matches, &around).unwrap().config.cluster.run_dir;
    assert_eq!(run_dir, Path::new("/run/user/1000/hubbub"));
    assert_eq!(loaded(&["--run-dir", "r"], &[]).unwrap().config.cluster.run_dir, Path::new("r"));
}

#[test]
fn servers_to_join_are_given_in_many_ways() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.toml");
    let secret = ("HUBBUB_CLUSTER_SECRET", "0123456789abcdef");
    let joined = |words: &[&str], variables: &[(&str, &str)]| {
        let variables: Vec<_> = variables.iter().copied().chain([secret]).collect();
        let join = loaded(words, &variables).unwrap().config.cluster.join;
        join.iter().map(JoinAddr::to_string).collect::<Vec<_>>()
    };
    assert_eq!(joined(&["--join", "a", "--join=b:1,c"], &[]), ["a:7412", "b:1", "c:7412"]);
    assert_eq!(joined(&["--join", "a", "check", "--join", "b"], &[]), ["b:7412"], "the nearer ones count");
    assert_eq!(joined(&[], &[("HUBBUB_JOIN", "a, [::1]:1")]), ["a:7412", "[::1]:1"]);
    fs::write(&file, "join = 'a,b'\n").unwrap();
    assert_eq!(joined(&["--config", file.to_str().unwrap()], &[]), ["a:7412", "b:7412"]);
    fs::write(&file, "join = ['a', 'b:1']\n").unwrap();
    assert_eq!(joined(&["--config", file.to_str().unwrap()], &[]), ["a:7412", "b:1"]);
    fs::write(&file, "join = ['a', 'b c']\n").unwrap();
    let told = errors(&["--config", file.to_str().unwrap()], &[secret]);
    assert!(told[0].contains("hub.toml:1:8: join: \"b c\": a host or"), "{told:?}");
}

#[test]
fn what_reaches_other_machines_needs_a_secret() {
    for (words, option) in [
        (&["--peer-listen", "0.0.0.0:7412"][..], "peer-listen"),
        (&["--peer-listen", "[::]:0"], "peer-listen"),
        (&["--peer-listen", "192.0.2.7:1"], "peer-listen"),
        (&["--join", "localhost,beta"], "join"),
        (&["--join", "192.0.2.7"], "join"),
        (&["--lan"], "lan"),
    ] {
        let told = errors(words, &[]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(&format!("--{option}: ")), "{told:?}");
        assert!(told[0].contains("--cluster-secret-file"), "{told:?}");
        let config = loaded(words, &[("HUBBUB_CLUSTER_SECRET", "0123456789abcdef")]).unwrap().config;
        assert!(beyond(config.peer_listen.value), "{words:?}: it can be answered");
    }
    for words in [&["--peer-listen", "[::1]:0"][..], &["--join", "localhost,127.0.0.1:1"]] {
        let config = loaded(words, &[]).unwrap().config;
        assert!(!beyond(config.peer_listen.value), "{words:?}");
    }
}

#[test]
fn secrets_come_from_a_file_or_a_text_and_are_not_shown() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secrets");
    fs::write(&file, "0123456789abcdef\nfedcba9876543210\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let path = file.to_str().unwrap();
    let exposed = |words: &[&str]| {
        let Loaded { config, settings, .. } = loaded(words, &[]).unwrap();
        let shown: Vec<String> = settings.into_iter().map(|setting| setting.value).collect();
        assert!(!shown.iter().any(|value| value.contains("abcdef")), "{shown:?}");
        assert!(!format!("{config:?}").contains("abcdef"));
        config.cluster.secrets.iter().map(|secret| secret.expose().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(exposed(&["--cluster-secret-file", path]), ["0123456789abcdef", "fedcba9876543210"]);
    assert_eq!(exposed(&["--cluster-secret", " 0123456789abcdef"]), ["0123456789abcdef"]);
    let settings = loaded(&["--cluster-secret", "0123456789abcdef"], &[]).unwrap().settings;
    assert!(settings.iter().any(|setting| setting.name == "cluster-secret" && setting.value == "(set)"));

    let both = errors(&["--cluster-secret-file", path], &[("HUBBUB_CLUSTER_SECRET", "0123456789abcdef")]);
    assert!(both[0].starts_with("HUBBUB_CLUSTER_SECRET: ") && both[0].contains("one of the two"), "{both:?}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let told = errors(&["--cluster-secret-file", path], &[]);
    assert!(told[0].starts_with("--cluster-secret-file: ") && told[0].contains("chmod 600"), "{told:?}");
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
    let far = ["--join", "beta", "--peer-listen", "127.0.0.1:7412", "--cluster-secret", "0123456789abcdef"];
    assert!(odd(&far, &[]).contains("0.0.0.0:7412 would be reached"));
    assert_eq!(odd(&["--max-clients", "960", "--max-queue", "1MiB"], &[]), "");
}

#[test]
fn the_room_for_clients() {
    assert_eq!(clients_for(Some(256)), 192);
    assert_eq!((clients_for(Some(64)), clients_for(Some(0))), (1, 1));
    assert_eq!((clients_for(None), clients_for(Some(u64::MAX))), (MOST_CLIENTS, MOST_CLIENTS));
}
