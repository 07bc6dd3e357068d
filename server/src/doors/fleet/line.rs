//! The lines of a test client, as the door `fleet` has them: verbs with arguments behind `:`. Pure; it
//! says what a line is, never whether it is in order: that is the coordinator's.

/// A line that is one of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Line {
    /// `get_cid`: it asks for an id.
    GetCid,
    /// `ready`: it waits to be told to run.
    Ready,
    /// `file_stats:CHUNK:FILE`, both in MB.
    FileStats {
        /// A chunk.
        chunk_mb: f64,
        /// A file.
        file_mb: f64,
    },
    /// `start`: it writes from now on.
    Start,
    /// `hb`: it lives.
    Heartbeat,
    /// `send_stats:CPU:MEM`, both in percent.
    Stats {
        /// Processor time.
        cpu: f64,
        /// Memory.
        memory: f64,
    },
    /// `file_roll`: a file is full.
    FileRoll,
    /// `done`.
    Done,
}

/// The smallest size, in MB: a thousand bytes, as the report shows three places.
const MIN_MB: f64 = 0.001;
/// The largest size that is taken for one, in MB: a million terabytes. A guess; a larger number is a
/// slip, and would not stand in a table.
const MAX_MB: f64 = 1e12;
/// The largest share that is taken for one, in percent: of a hundred thousand processors. A guess.
const MAX_PERCENT: f64 = 1e7;

impl Line {
    /// Reads a line without its end. The error says what would have been right.
    pub fn parse(line: &[u8]) -> Result<Line, &'static str> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
        let (verb, arguments) = match line.split_once(':') {
            Some((verb, arguments)) => (verb, Some(arguments)),
            None => (line, None),
        };
        let alone = |line| arguments.map_or(Ok(line), |_| Err("it takes no arguments"));
        let two = || arguments.and_then(|arguments| arguments.split_once(':'));
        match verb {
            "get_cid" => alone(Line::GetCid),
            "ready" => alone(Line::Ready),
            "start" => alone(Line::Start),
            "hb" => alone(Line::Heartbeat),
            "file_roll" => alone(Line::FileRoll),
            "done" => alone(Line::Done),
            "file_stats" => {
                let size = |text| number(text).filter(|mb| (MIN_MB..=MAX_MB).contains(mb));
                two()
                    .and_then(|(chunk, file)| {
                        Some(Line::FileStats { chunk_mb: size(chunk)?, file_mb: size(file)? })
                    })
                    .ok_or("it has the form file_stats:CHUNK:FILE, with two sizes in MB, 0.001 or more")
            }
            "send_stats" => {
                let share = |text| number(text).filter(|percent| *percent <= MAX_PERCENT);
                two()
                    .and_then(|(cpu, memory)| Some(Line::Stats { cpu: share(cpu)?, memory: share(memory)? }))
                    .ok_or("it has the form send_stats:CPU:MEM, with two numbers in percent")
            }
            _ => Err("it is none of get_cid, ready, file_stats, start, hb, send_stats, file_roll, done"),
        }
    }
}

/// A number that is finite and not negative, as programs print it: `10`, `0.25`, `1e-05`.
fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite() && *number >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_row_of_the_table_is_read() {
        let table: [(&[u8], Line); 11] = [
            (b"get_cid", Line::GetCid),
            (b"ready", Line::Ready),
            (b"ready\r", Line::Ready),
            (b"file_stats:10:50", Line::FileStats { chunk_mb: 10.0, file_mb: 50.0 }),
            (b"file_stats:10.5:100.25", Line::FileStats { chunk_mb: 10.5, file_mb: 100.25 }),
            (b"start", Line::Start),
            (b"hb", Line::Heartbeat),
            (b"send_stats:12.5:0.1", Line::Stats { cpu: 12.5, memory: 0.1 }),
            (b"send_stats:0:1e-05", Line::Stats { cpu: 0.0, memory: 1e-5 }),
            (b"file_roll", Line::FileRoll),
            (b"done", Line::Done),
        ];
        for (line, read) in table {
            assert_eq!(Line::parse(line), Ok(read), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn what_makes_no_sense_is_told_with_what_would_have_been_right() {
        let unknown: [&[u8]; 7] = [b"", b"GET_CID", b" hb", b"hb ", b"get_cid\0", b"set_cid:1", b"\r\r"];
        for line in unknown {
            assert!(Line::parse(line).is_err_and(|why| why.contains("none of get_cid")), "{line:?}");
        }
        assert_eq!(Line::parse(b"\xff\xfe"), Err("it is not UTF-8"));
        assert_eq!(Line::parse(b"hb:1"), Err("it takes no arguments"));
        assert_eq!(Line::parse(b"done:"), Err("it takes no arguments"));
        let sizes: [&[u8]; 9] = [
            b"file_stats",
            b"file_stats:10",
            b"file_stats:10:",
            b"file_stats:10:50:60",
            b"file_stats:0:50",
            b"file_stats:-1:50",
            b"file_stats:ten:50",
            b"file_stats:inf:50",
            b"file_stats:10:1e300",
        ];
        for line in sizes {
            assert!(Line::parse(line).is_err_and(|why| why.contains("file_stats:CHUNK:FILE")), "{line:?}");
        }
        for line in [&b"send_stats:1"[..], b"send_stats:nan:1", b"send_stats:1:-1", b"send_stats: 1:1"] {
            assert!(Line::parse(line).is_err_and(|why| why.contains("send_stats:CPU:MEM")), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_whatever_panic(line in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Line::parse(&line);
        }

        #[test]
        fn whatever_is_read_is_finite(cpu in "[0-9eE.+-]{1,12}", memory in "[0-9]{1,5}") {
            if let Ok(Line::Stats { cpu, memory }) = Line::parse(format!("send_stats:{cpu}:{memory}").as_bytes()) {
                prop_assert!(cpu.is_finite() && cpu >= 0.0 && memory.is_finite());
            }
        }
    }
}
