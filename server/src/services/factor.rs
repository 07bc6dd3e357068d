//! The service `factor`: a number into its prime factors, ascending, each as often as it divides.
//!
//! Small divisors go first, by trial and by Brent's form of Pollard's rho; what is left falls to elliptic
//! curves ([`curve`]). The same number takes the same way each time. Pure; long work is for the pool, and
//! looks from time to time whether somebody still waits.

mod curve;
mod prime;
mod ring;

use super::own::{Effort, Task};
use super::pool::Cancelled;
use hubbub_shared::encoding::Payload;
use hubbub_shared::refusal::{Code, Refusal};
use ring::{Ring, Word};

pub use prime::is_prime;

/// Divisors up to it are found by trial. A guess: what follows takes longer for one number than these.
const TRIED: u64 = 256;
/// Steps of rho before curves are tried: it finds most divisors below 2^20 in them, as fast as curves do.
const RHO_STEPS: u32 = 1 << 11;
/// Constants that are tried with rho. A guess: each fails for few numbers.
const RHO_CONSTANTS: u64 = 16;
/// Steps between two looks at whether rho has found something.
const RHO_RUN: u32 = 128;
/// Numbers below it take some ten microseconds at the most, where a hand-over to a worker and back takes
/// as long (`cargo bench -p hubbub-server --bench own`).
const LIGHT: u128 = 1 << 40;

const WANTED: &str = "factor takes a whole number from 1 on, as a JSON number or a text of digits: 75757575";

/// Nobody waits for the outcome any more.
#[derive(Debug, PartialEq, Eq)]
pub struct Stopped;

/// By the size of the number; there is no answer to what is none.
pub(super) fn effort(task: &Task<'_>) -> Effort {
    match parse(task.payload, task.bounds.max_factor_bits) {
        Ok(n) if n > u64::MAX.into() => Effort::Great,
        Ok(n) if n >= LIGHT => Effort::Moderate,
        Ok(_) | Err(_) => Effort::Slight,
    }
}

pub(super) fn answer(task: &Task<'_>) -> Result<String, Refusal> {
    let n = parse(task.payload, task.bounds.max_factor_bits)?;
    let factors = factorize(n, task.cancelled).map_err(|Stopped| task.cancelled.refusal())?;
    let factors: Vec<String> = factors.iter().map(u128::to_string).collect();
    Ok(format!("[{}]", factors.join(",")))
}

fn parse(payload: Payload<'_>, bits: u32) -> Result<u128, Refusal> {
    let digits = super::own::digits(payload, WANTED)?;
    let bounds = || {
        let most = if bits < 128 { (1 << bits) - 1 } else { u128::MAX };
        Refusal::new(
            Code::TooLarge,
            format!("this hub factors numbers of up to {bits} bits: {most} is the largest"),
        )
    };
    match digits.parse::<u128>() {
        Ok(0) => Err(Refusal::bad_argument(
            "0 has no prime factors, since every number divides it; factor takes 1 and more",
        )),
        Ok(n) if u128::BITS - n.leading_zeros() <= bits => Ok(n),
        // Digits that do not parse are too many.
        Ok(_) | Err(_) => Err(bounds()),
    }
}

/// The prime factors of a number, ascending, each as often as it divides; none for one and zero.
pub fn factorize(n: u128, cancelled: &Cancelled) -> Result<Vec<u128>, Stopped> {
    let mut factors = Vec::new();
    let mut rest = n;
    let small = (2..TRIED).filter(|d| *d == 2 || d % 2 == 1).map(u128::from);
    for d in small {
        if rest <= 1 || d * d > rest {
            break;
        }
        while rest.is_multiple_of(d) {
            rest /= d;
            factors.push(d);
        }
    }
    let mut open = vec![rest];
    open.retain(|rest| *rest > 1);
    while let Some(n) = open.pop() {
        if n < u128::from(TRIED * TRIED) || is_prime(n) {
            factors.push(n);
        } else {
            let divisor = divisor(n, cancelled)?;
            open.extend([divisor, n / divisor]);
        }
    }
    factors.sort_unstable();
    Ok(factors)
}

/// A divisor of a composite number that has none below [`TRIED`].
fn divisor(n: u128, cancelled: &Cancelled) -> Result<u128, Stopped> {
    let root = n.isqrt();
    if root * root == n {
        return Ok(root);
    }
    match u64::try_from(n) {
        Ok(n) => by_rho_or_curves(&Ring::new(n), cancelled),
        Err(_) => by_rho_or_curves(&Ring::new(n), cancelled),
    }
}

fn by_rho_or_curves<W: Word>(ring: &Ring<W>, cancelled: &Cancelled) -> Result<u128, Stopped> {
    for constant in 1..=RHO_CONSTANTS {
        match rho(ring, constant) {
            Rho::Found(divisor) => return Ok(divisor),
            Rho::AllAtOnce => {}
            Rho::Nothing => break,
        }
    }
    curve::divisor(ring, ring.modulus() as u64, cancelled)
}

/// What rho came to.
enum Rho {
    Found(u128),
    /// All divisors in one step, which tells nothing. Another constant may take them apart.
    AllAtOnce,
    Nothing,
}

/// Pollard's rho as Brent changed it: the values of x² and a constant, until two are equal modulo a
/// divisor.
fn rho<W: Word>(ring: &Ring<W>, constant: u64) -> Rho {
    let n = ring.modulus();
    let constant = ring.number(constant);
    let step = |x| ring.add(ring.square(x), constant);
    let (mut x, mut taken, mut length) = (ring.number(2), 0, 1);
    while taken < RHO_STEPS {
        let fixed = x;
        // Brent: what the first half of a round could find was found before.
        (0..length / 2).for_each(|_| x = step(x));
        let mut left = length - length / 2;
        while left > 0 {
            let (before, run) = (x, left.min(RHO_RUN));
            let mut product = ring.one();
            for _ in 0..run {
                x = step(x);
                product = ring.mul(product, ring.sub(x, fixed));
            }
            left -= run;
            match ring.gcd(product) {
                1 => {}
                divisor if divisor < n => return Rho::Found(divisor),
                // All divisors came in one run: once more, and one at a time.
                _ => {
                    let mut x = before;
                    let found = (0..run).find_map(|_| {
                        x = step(x);
                        Some(ring.gcd(ring.sub(x, fixed))).filter(|divisor| *divisor != 1)
                    });
                    return found.filter(|divisor| *divisor != n).map_or(Rho::AllAtOnce, Rho::Found);
                }
            }
        }
        taken += length;
        length *= 2;
    }
    Rho::Nothing
}

#[cfg(test)]
mod tests {
    use super::super::own::Bounds;
    use super::*;
    use proptest::prelude::*;

    fn factors(n: u128) -> Vec<u128> {
        factorize(n, &Cancelled::new()).expect("it is not cancelled")
    }

    fn asked(payload: Payload<'_>, max_factor_bits: u32) -> Result<String, Refusal> {
        let bounds = Bounds { max_factor_bits, max_fibonacci: 0 };
        answer(&Task::new(payload, &bounds))
    }

    #[test]
    fn the_first_numbers_fall_into_what_trial_finds() {
        for n in 1..10_000_u128 {
            let (mut rest, mut expected) = (n, Vec::new());
            let mut d = 2;
            while rest > 1 {
                while rest % d == 0 {
                    rest /= d;
                    expected.push(d);
                }
                d += 1;
            }
            assert_eq!(factors(n), expected, "{n}");
        }
    }

    #[test]
    fn the_largest_numbers() {
        assert_eq!(factors(u64::MAX.into()), [3, 5, 17, 257, 641, 65_537, 6_700_417]);
        assert_eq!(factors(u128::MAX), [3, 5, 17, 257, 641, 65_537, 274_177, 6_700_417, 67_280_421_310_721]);
        assert_eq!(factors(1 << 127), [2; 127]);
        let largest = (1 << 64) - 59; // of the primes of 64 bits
        assert_eq!(factors(largest * largest), [largest, largest]);
        assert_eq!(factors(u128::MAX - 158), [u128::MAX - 158]);
        // Powers of one prime, of sizes that fall to each of the ways.
        for (p, power) in
            [(257, 15), (65_537, 7), (16_777_259, 5), (4_294_967_311, 3), (1_099_511_627_791, 3)]
        {
            assert_eq!(factors(u128::pow(p, power)), vec![p; power as usize]);
        }
    }

    #[test]
    fn whole_numbers_are_taken_as_json_and_as_text() {
        assert_eq!(asked(Payload::Json("75"), 128).as_deref(), Ok("[3,5,5]"));
        assert_eq!(asked(Payload::Text(" 75757575\n"), 128).as_deref(), Ok("[3,5,5,73,101,137]"));
        assert_eq!(asked(Payload::Text("0012"), 128).as_deref(), Ok("[2,2,3]"));
        assert_eq!(asked(Payload::Json("1"), 128).as_deref(), Ok("[]"));
        for payload in [
            Payload::Json("\"7 5\""),
            Payload::Json("75.0"),
            Payload::Json("1e3"),
            Payload::Json("-75"),
            Payload::Json("null"),
            Payload::Json("[75]"),
            Payload::Json("0"),
            Payload::Json("-0"),
            Payload::Text(""),
            Payload::Text("-1"),
            Payload::Text("+1"),
            Payload::Text("7 5"),
            Payload::Text("seven"),
            Payload::Text("٧"),
            Payload::Text("000"),
        ] {
            let refusal = asked(payload, 128).expect_err("it is no such number");
            assert_eq!(refusal.code, Code::BadArgument, "{payload:?}");
            assert!(refusal.message.contains("factor takes"), "{refusal}");
        }
    }

    #[test]
    fn what_is_larger_than_the_bound_is_too_large() {
        let code = |text: &str, bits| asked(Payload::Json(text), bits).map_err(|refusal| refusal.code);
        assert_eq!(code("255", 8).as_deref(), Ok("[3,5,17]"));
        assert_eq!(code("256", 8), Err(Code::TooLarge));
        assert_eq!(code("1", 1).as_deref(), Ok("[]"));
        assert_eq!(code("2", 1), Err(Code::TooLarge));
        assert!(code(&u128::MAX.to_string(), 128).is_ok());
        assert_eq!(code("340282366920938463463374607431768211456", 128), Err(Code::TooLarge));
        assert_eq!(code(&"9".repeat(100_000), 128), Err(Code::TooLarge));
        let refusal = asked(Payload::Json("256"), 8).expect_err("it has nine bits");
        assert!(refusal.message.contains("255 is the largest"), "{refusal}");
    }

    #[test]
    fn long_work_stops_when_it_is_told() {
        let cancelled = Cancelled::new();
        cancelled.set();
        let n = ((1 << 64) - 59) * ((1 << 63) - 25);
        assert_eq!(factorize(n, &cancelled), Err(Stopped));
    }

    fn check(n: u128) -> Result<(), TestCaseError> {
        let factors = factors(n);
        prop_assert_eq!(factors.iter().product::<u128>(), n);
        prop_assert!(factors.iter().all(|p| is_prime(*p)), "{:?}", factors);
        prop_assert!(factors.is_sorted());
        Ok(())
    }

    proptest! {
        #[test]
        fn factors_of_any_word_are_prime_and_multiply_to_it(n in 1..=u64::MAX) {
            check(n.into())?;
        }

        #[test]
        fn factors_of_products_are_prime_and_multiply_to_them(a in 1..=u64::MAX, b: u32, c: u32) {
            check(u128::from(a) * u128::from(b.max(1)) * u128::from(c.max(1)))?;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn factors_of_any_two_words_are_prime_and_multiply_to_them(n in 1..=u128::MAX >> 20) {
            check(n)?;
        }
    }
}
