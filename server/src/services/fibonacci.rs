//! The service `fibonacci`: the Fibonacci number of an index, exact, however long. F(0) = 0, F(1) = 1.

use super::own::{digits, Effort, Task};
use super::pool::Cancelled;
use hubbub_shared::encoding::Payload;
use hubbub_shared::refusal::{Code, Refusal};
use num_bigint::BigUint;

/// Indexes up to it take some ten microseconds at the most (`cargo bench -p hubbub-server --bench own`).
const LIGHT: u64 = 1_000;

/// Indexes beyond it take more than a millisecond; the same benchmark.
const LONG: u64 = 50_000;

const WANTED: &str = "fibonacci takes a whole number from 0 on, as a JSON number or a text of digits: 12";

pub(super) fn effort(task: &Task<'_>) -> Effort {
    match parse(task.payload, task.bounds.max_fibonacci) {
        Ok(n) if n > LONG => Effort::Great,
        Ok(n) if n > LIGHT => Effort::Moderate,
        Ok(_) | Err(_) => Effort::Slight,
    }
}

pub(super) fn answer(task: &Task<'_>) -> Result<String, Refusal> {
    let n = parse(task.payload, task.bounds.max_fibonacci)?;
    let number = fibonacci(n, task.cancelled).ok_or_else(|| task.cancelled.refusal())?;
    Ok(number.to_string())
}

fn parse(payload: Payload<'_>, max: u64) -> Result<u64, Refusal> {
    let n = digits(payload, WANTED)?.parse().ok().filter(|n| *n <= max);
    n.ok_or_else(|| Refusal::new(Code::TooLarge, format!("this hub counts Fibonacci numbers up to {max}")))
}

/// F(n), by doubling: F(2k) = F(k) L(k), where L are the numbers of Lucas, and L(2k) = L(k)² ± 2. None
/// when it was told to stop.
pub fn fibonacci(n: u64, cancelled: &Cancelled) -> Option<BigUint> {
    let (mut f, mut l) = (BigUint::ZERO, BigUint::from(2_u8));
    let bits = u64::BITS - n.leading_zeros();
    for bit in (0..bits).rev() {
        if cancelled.is_set() {
            return None;
        }
        let (is_last, is_odd) = (bit == 0, n >> bit & 1 == 1);
        let double = &f * &l;
        if is_last && !is_odd {
            return Some(double);
        }
        // k, which is doubled here, is even where the bit before this one is 0.
        let square = &l * &l;
        l = if n >> bit >> 1 & 1 == 1 { square + 2_u8 } else { square - 2_u8 };
        f = double;
        if is_odd {
            // F(k + 1) = (F(k) + L(k)) / 2, and L(k + 1) = (5 F(k) + L(k)) / 2.
            let next: BigUint = (&f + &l) >> 1;
            l = (f * 5_u8 + l) >> 1;
            f = next;
        }
    }
    Some(f)
}

#[cfg(test)]
mod tests {
    use super::super::own::Bounds;
    use super::*;

    fn asked(payload: Payload<'_>, max_fibonacci: u64) -> Result<String, Refusal> {
        answer(&Task::new(payload, &Bounds { max_factor_bits: 0, max_fibonacci }))
    }

    #[test]
    fn each_is_the_sum_of_the_two_before_it() {
        let (mut a, mut b) = (BigUint::ZERO, BigUint::from(1_u8));
        for n in 0..2_000 {
            assert_eq!(fibonacci(n, &Cancelled::new()).as_ref(), Some(&a), "{n}");
            let sum = &a + &b;
            (a, b) = (b, sum);
        }
    }

    #[test]
    fn a_long_one_is_exact() {
        let digits = asked(Payload::Json("121212"), 1_000_000).expect("an answer");
        assert_eq!(digits.len(), 25_332);
        // F(n + 1) = F(n) + F(n - 1), and the last digits have a period of 60, 300 and so on.
        let of = |n| fibonacci(n, &Cancelled::new()).expect("it is not cancelled");
        assert_eq!(of(121_213), of(121_212) + of(121_211));
        assert_eq!(digits.bytes().last(), of(121_212 % 60).to_string().bytes().last());
    }

    #[test]
    fn whole_numbers_up_to_the_bound_are_taken() {
        assert_eq!(asked(Payload::Json("12"), 12).as_deref(), Ok("144"));
        assert_eq!(asked(Payload::Text(" 0 "), 12).as_deref(), Ok("0"));
        assert_eq!(asked(Payload::Json("\"12\""), 12).as_deref(), Ok("144"), "digits in a string");
        for digits in ["13", "18446744073709551616", "99999999999999999999999999999999999999999999"] {
            let refusal = asked(Payload::Json(digits), 12).expect_err("it is beyond the bound");
            assert_eq!((refusal.code, refusal.message.contains("up to 12")), (Code::TooLarge, true));
        }
        for payload in
            [Payload::Json("\"1,2\""), Payload::Json("12.5"), Payload::Json("-1"), Payload::Text("x")]
        {
            let refusal = asked(payload, 12).expect_err("it is no such number");
            assert_eq!((refusal.code, refusal.message.as_ref()), (Code::BadArgument, WANTED));
        }
    }

    #[test]
    fn who_is_told_to_stop_stops() {
        let cancelled = Cancelled::new();
        cancelled.set();
        assert_eq!(fibonacci(1_000_000, &cancelled), None);
    }
}
