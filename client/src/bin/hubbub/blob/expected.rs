//! What the right answers to the work of the headline are, found in other ways than the hub's: by
//! division, by comparing ends, and for a Fibonacci number by its last digits, its first digits and
//! their count. Pure.

use super::wire::Request;

/// Digits at the end of a Fibonacci number that are compared.
const LAST: u64 = 1_000_000_000_000_000_000;
/// Digits at its front: so many are right in the logarithm of a number of a hundred thousand digits.
const FIRST: usize = 8;

/// The four requests of the headline, in their order.
pub fn headline() -> [Request; 4] {
    [
        Request::Factor("75757575".into()),
        Request::Palindrome("was it a cat i saw".into()),
        Request::Fibonacci("121212".into()),
        Request::Factor("757575".into()),
    ]
}

/// What an answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// These bytes.
    Text(String),
    /// A number that is known by its ends.
    Digits { count: usize, first: String, last: String },
}

impl Expected {
    /// The answer to a request of [`headline`]: its numbers are small enough for this.
    pub fn of(request: &Request) -> Expected {
        let small = |digits: &String| digits.parse::<u64>().expect("the headline's numbers are small");
        match request {
            Request::Factor(number) => {
                let primes: Vec<String> = primes(small(number)).iter().map(u64::to_string).collect();
                Expected::Text(format!("[{}]", primes.join(", ")))
            }
            Request::Palindrome(text) => Expected::Text(reads_the_same(text).to_string()),
            Request::Fibonacci(index) => fibonacci(small(index)),
        }
    }

    /// Whether this is the answer; if not, what it should have been.
    pub fn check(&self, answer: &str) -> Result<(), String> {
        match self {
            Expected::Text(text) if answer == text => Ok(()),
            Expected::Text(text) => Err(format!("{} instead of {text}", short(answer))),
            Expected::Digits { count, first, last } => {
                let is_right = answer.len() == *count
                    && answer.bytes().all(|byte| byte.is_ascii_digit())
                    && answer.starts_with(first)
                    && answer.ends_with(last);
                match is_right {
                    true => Ok(()),
                    false => Err(format!("{} instead of {count} digits {first}…{last}", short(answer))),
                }
            }
        }
    }
}

fn short(answer: &str) -> String {
    match answer.char_indices().nth(40) {
        Some((end, _)) => format!("{}… ({} bytes)", &answer[..end], answer.len()),
        None => answer.to_owned(),
    }
}

fn primes(mut number: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let mut divisor = 2;
    while divisor * divisor <= number {
        while number.is_multiple_of(divisor) {
            found.push(divisor);
            number /= divisor;
        }
        divisor += 1;
    }
    if number > 1 {
        found.push(number);
    }
    found
}

fn reads_the_same(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(|ch| !ch.is_whitespace()).collect();
    letters.iter().eq(letters.iter().rev())
}

fn fibonacci(index: u64) -> Expected {
    let (mut last, mut next) = (0_u64, 1_u64);
    for _ in 0..index {
        // Two of them fit, so that no division is needed.
        let sum = last + next;
        (last, next) = (next, if sum < LAST { sum } else { sum - LAST });
    }
    // Binet's formula: F(n) is the golden ratio to the power of n, divided by the root of five.
    let golden = f64::midpoint(1.0, 5f64.sqrt());
    let logarithm = index as f64 * golden.log10() - 5f64.sqrt().log10();
    if logarithm < 18.0 {
        return Expected::Text(last.to_string());
    }
    let first = 10f64.powf(logarithm.fract() + (FIRST - 1) as f64).floor() as u64;
    Expected::Digits {
        count: logarithm.floor() as usize + 1,
        first: first.to_string(),
        last: format!("{last:018}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_answers_are_the_expected_ones() {
        let text = |request| match Expected::of(&request) {
            Expected::Text(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(Request::Factor("75".into())), "[3, 5, 5]");
        assert_eq!(text(Request::Factor("1".into())), "[]");
        assert_eq!(text(Request::Palindrome("was it a cat i saw".into())), "true");
        assert_eq!(text(Request::Palindrome("a cat".into())), "false");
        assert_eq!(text(Request::Fibonacci("0".into())), "0");
        assert_eq!(text(Request::Fibonacci("12".into())), "144");
    }

    #[test]
    fn the_long_number_is_known_by_its_ends() {
        let Expected::Digits { count, first, last } = Expected::of(&headline()[2]) else {
            panic!("it is long");
        };
        assert_eq!((count, first.len(), last.len()), (25_332, FIRST, 18));
        let right = format!("{first}{}{last}", "7".repeat(count - FIRST - 18));
        let expected = Expected::Digits { count, first, last };
        assert_eq!(expected.check(&right), Ok(()));
        let wrong = expected.check(&right[1..]).expect_err("a digit is missing");
        assert!(wrong.contains("(25331 bytes) instead of 25332 digits"), "{wrong}");
        assert!(expected.check(&format!("{}0", &right[..count - 1])).is_err());
    }

    /// F(100) is in every table: both of its ends follow from the formulas here.
    #[test]
    fn a_number_from_the_tables() {
        let expected = fibonacci(100);
        assert_eq!(
            expected,
            Expected::Digits { count: 21, first: "35422484".into(), last: "224848179261915075".into() }
        );
        assert_eq!(expected.check("354224848179261915075"), Ok(()));
        assert_eq!(fibonacci(80).check("23416728348467685"), Ok(()));
    }

    #[test]
    fn spacing_counts() {
        let expected = Expected::of(&Request::Factor("75".into()));
        assert_eq!(expected.check("[3, 5, 5]"), Ok(()));
        assert_eq!(expected.check("[3,5,5]"), Err("[3,5,5] instead of [3, 5, 5]".into()));
    }
}
