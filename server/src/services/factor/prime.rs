//! Whether a number is prime: by Miller and Rabin with the first twelve primes, which is a proof below
//! 3·10^23, and beyond that by a strong Lucas test as well (together the test of Baillie, Pomerance,
//! Selfridge and Wagstaff and more: no composite number is known that passes it). Pure.

use super::ring::{Ring, Word};

/// Below it the twelve bases decide for certain (Sorenson and Webster, 2015).
const PROVEN: u128 = 318_665_857_834_031_151_167_461;

const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

/// Whether a number is prime.
pub fn is_prime(n: u128) -> bool {
    if n < 2 {
        return false;
    }
    if let Some(base) = BASES.iter().find(|base| n.is_multiple_of(u128::from(**base))) {
        return n == u128::from(*base);
    }
    match u64::try_from(n) {
        Ok(n) => passes(&Ring::new(n)),
        Err(_) => passes(&Ring::new(n)),
    }
}

/// The tests, of an odd number that none of the bases divides.
fn passes<W: Word>(ring: &Ring<W>) -> bool {
    BASES.iter().all(|base| is_strong_for(ring, *base)) && (ring.modulus() < PROVEN || is_strong_lucas(ring))
}

fn is_strong_for<W: Word>(ring: &Ring<W>, base: u64) -> bool {
    let n = ring.modulus();
    let (one, minus_one) = (ring.one(), ring.sub(ring.zero(), ring.one()));
    let twos = (n - 1).trailing_zeros();
    let mut x = ring.power(ring.number(base), (n - 1) >> twos);
    if x == one || x == minus_one {
        return true;
    }
    for _ in 1..twos {
        x = ring.square(x);
        if x == minus_one {
            return true;
        }
    }
    false
}

/// With the parameters that Selfridge proposed: P = 1, and D the first of 5, -7, 9, -11 … that is no
/// square modulo the number.
fn is_strong_lucas<W: Word>(ring: &Ring<W>) -> bool {
    let n = ring.modulus();
    if n.isqrt().pow(2) == n {
        return false; // there is no such D
    }
    let mut d = 5_i64;
    loop {
        match jacobi(d, n) {
            -1 => break,
            0 if u128::from(d.unsigned_abs()) < n => return false,
            _ => d = if d > 0 { -(d + 2) } else { 2 - d },
        }
    }
    let signed = |value: i64| {
        let size = ring.number(value.unsigned_abs());
        if value < 0 {
            ring.sub(ring.zero(), size)
        } else {
            size
        }
    };
    let (d, q) = (signed(d), signed((1 - d) / 4));
    // n is odd and not 2^128 - 1, which 3 divides.
    let after = n + 1;
    let Some(half) = ring.inverse(ring.number(2)) else { return false };
    let twos = after.trailing_zeros();
    let exponent = after >> twos;
    let double = |x| ring.add(x, x);
    let (mut u, mut v, mut power) = (ring.one(), ring.one(), q);
    for bit in (0..u128::BITS - 1 - exponent.leading_zeros()).rev() {
        u = ring.mul(u, v);
        v = ring.sub(ring.square(v), double(power));
        power = ring.square(power);
        if exponent >> bit & 1 == 1 {
            (u, v) = (ring.mul(ring.add(u, v), half), ring.mul(ring.add(ring.mul(d, u), v), half));
            power = ring.mul(power, q);
        }
    }
    if u == ring.zero() {
        return true;
    }
    for _ in 0..twos {
        if v == ring.zero() {
            return true;
        }
        v = ring.sub(ring.square(v), double(power));
        power = ring.square(power);
    }
    false
}

/// The Jacobi symbol, of any number over an odd one.
fn jacobi(a: i64, n: u128) -> i8 {
    let mut sign = if a < 0 && n % 4 == 3 { -1 } else { 1 };
    let (mut a, mut n) = (u128::from(a.unsigned_abs()) % n, n);
    while a != 0 {
        let twos = a.trailing_zeros();
        a >>= twos;
        if twos % 2 == 1 && matches!(n % 8, 3 | 5) {
            sign = -sign;
        }
        if a % 4 == 3 && n % 4 == 3 {
            sign = -sign;
        }
        (a, n) = (n % a, a);
    }
    if n == 1 {
        sign
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_sieve() {
        const UP_TO: usize = 100_000;
        let mut sieve = vec![true; UP_TO];
        sieve[..2].fill(false);
        for p in 2..UP_TO {
            if sieve[p] {
                (p * p..UP_TO).step_by(p).for_each(|n| sieve[n] = false);
            }
        }
        for (n, expected) in sieve.iter().enumerate() {
            assert_eq!(is_prime(n as u128), *expected, "{n}");
        }
    }

    #[test]
    fn the_lucas_test_alone_passes_primes_and_few_others() {
        // The strong Lucas pseudoprimes below 20,000 (OEIS A217255).
        let known = [5459, 5777, 10877, 16109, 18971];
        for n in (41..20_000_u64).step_by(2) {
            let expected = is_prime(n.into()) || known.contains(&n);
            assert_eq!(is_strong_lucas(&Ring::new(n)), expected, "{n}");
            assert_eq!(is_strong_lucas(&Ring::<u128>::new(n.into())), expected, "{n}");
        }
    }

    #[test]
    fn large_primes_and_what_is_none() {
        // The largest of 64 and 128 bits, and some of Mersenne's.
        for p in [
            u64::MAX as u128 - 58,
            u128::MAX - 158,
            (1 << 61) - 1,
            (1 << 89) - 1,
            (1 << 107) - 1,
            (1 << 127) - 1,
        ] {
            assert!(is_prime(p), "{p}");
        }
        for n in [
            // Composites that pass for many bases: the smallest for the first nine and twelve primes.
            3_825_123_056_546_413_051,
            PROVEN,
            3_317_044_064_679_887_385_961_981,
            // Of a known prime and another, squares, and 2^128 - 1.
            ((1 << 61) - 1) * ((1 << 61) - 1),
            ((1 << 64) - 59) * ((1 << 64) - 59),
            ((1 << 64) - 59) * ((1 << 63) - 25),
            u128::MAX,
            u128::MAX - 2,
        ] {
            assert!(!is_prime(n), "{n}");
        }
    }
}
