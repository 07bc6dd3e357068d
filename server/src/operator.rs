//! The operator token: a secret that only who may read this server's data folder can know, made
//! afresh at every start. The server compares what `operator TOKEN` brings; nothing here counts
//! attempts or closes connections.

use crate::files;
use std::io;
use std::path::Path;

/// The token's file in the data folder. Protocol.
const FILE: &str = "operator.token";
/// Random bytes of a token. 256 bits: beyond guessing, whatever the rate.
const BYTES: usize = 32;

/// This run's token. It has no `Debug` and no `Display`, so that it cannot end in a log by mistake.
pub struct Token(String);

impl Token {
    /// Makes a new token and replaces the file of the last run by it, readable by this user alone.
    /// The data folder is made where it is missing.
    pub fn create(data_dir: &Path) -> io::Result<Token> {
        let token = Token::untold()?;
        files::create_private_dir(data_dir)?;
        files::write_whole(&data_dir.join(FILE), format!("{}\n", token.0).as_bytes(), 0o600)?;
        Ok(token)
    }

    /// A token that is written nowhere, for a hub without operators (simulations).
    pub fn untold() -> io::Result<Token> {
        let mut random = [0u8; BYTES];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        Ok(Token(random.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Whether a text is the token, in a time that does not depend on where they differ. Spaces and
    /// a line end around it do not count: it was read from a file.
    pub fn matches(&self, offered: &str) -> bool {
        let (own, offered) = (self.0.as_bytes(), offered.trim_ascii().as_bytes());
        // The length is no secret: it is written in the source.
        if own.len() != offered.len() {
            return false;
        }
        let difference = own.iter().zip(offered).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
        std::hint::black_box(difference) == 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_file_holds_the_token_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let token = Token::create(&data).unwrap();
        let path = data.join(FILE);
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(written.trim_end().len(), 2 * BYTES);
        assert!(token.matches(&written) && token.matches(written.trim_end()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn nothing_else_matches() {
        let dir = tempfile::tempdir().unwrap();
        let token = Token::create(dir.path()).unwrap();
        let right = token.0.clone();
        for at in [0, 31, 63] {
            let mut wrong = right.clone().into_bytes();
            wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
            assert!(!token.matches(std::str::from_utf8(&wrong).unwrap()), "differs at {at}");
        }
        for wrong in ["", &right[1..], &format!("{right}0"), &right.to_uppercase().replace('0', "O")] {
            assert!(!token.matches(wrong), "{wrong}");
        }
    }

    #[test]
    fn each_start_makes_another() {
        let dir = tempfile::tempdir().unwrap();
        let first = Token::create(dir.path()).unwrap();
        let second = Token::create(dir.path()).unwrap();
        assert!(!second.matches(&first.0));
        assert!(second.matches(&fs::read_to_string(dir.path().join(FILE)).unwrap()));
    }
}
