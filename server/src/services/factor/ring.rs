//! Arithmetic modulo an odd number, in Montgomery's form: for numbers of one machine word, and of two.
//! Pure; [`super`] counts on it for everything else that it does.

use num_traits::ops::overflowing::{OverflowingAdd, OverflowingSub};
use num_traits::{cast, PrimInt, WrappingAdd, WrappingMul, WrappingNeg, WrappingSub};

/// What the numbers of a ring are held in: `u64`, or `u128`.
pub trait Word:
    PrimInt
    + From<u64>
    + Into<u128>
    + OverflowingAdd
    + OverflowingSub
    + WrappingAdd
    + WrappingMul
    + WrappingNeg
    + WrappingSub
{
    /// The product, as its high and its low half.
    fn wide(self, other: Self) -> (Self, Self);
}

impl Word for u64 {
    #[inline(always)]
    fn wide(self, other: u64) -> (u64, u64) {
        let product = u128::from(self) * u128::from(other);
        ((product >> 64) as u64, product as u64)
    }
}

impl Word for u128 {
    #[inline(always)]
    fn wide(self, other: u128) -> (u128, u128) {
        const LOW: u128 = u64::MAX as u128;
        let (a1, a0, b1, b0) = (self >> 64, self & LOW, other >> 64, other & LOW);
        let (p00, p01, p10, p11) = (a0 * b0, a0 * b1, a1 * b0, a1 * b1);
        let middle = (p00 >> 64) + (p01 & LOW) + (p10 & LOW);
        (p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64), middle << 64 | p00 & LOW)
    }
}

/// The numbers modulo an odd one. They are in a form of their own: what goes in by [`Ring::number`]
/// stays inside. With B as many bits as a word has:
pub struct Ring<W> {
    n: W,
    /// The inverse of `n` modulo 2^B.
    inverse: W,
    /// 2^B modulo `n`: one.
    one: W,
    /// 2^2B modulo `n`: brings numbers in.
    square: W,
}

impl<W: Word> Ring<W> {
    /// Modulo an odd number.
    pub fn new(n: W) -> Self {
        debug_assert!(n & W::one() == W::one(), "Montgomery's form needs an odd modulus");
        let two = W::one() + W::one();
        // Newton's iteration: n is its own inverse in the lowest three bits, and each round doubles the
        // bits that are right, so that six make 192.
        let inverse = (0..6).fold(n, |x, _| x.wrapping_mul(&two.wrapping_sub(&n.wrapping_mul(&x))));
        let one = n.wrapping_neg() % n;
        let mut ring = Ring { n, inverse, one, square: one };
        ring.square = (0..W::zero().leading_zeros()).fold(one, |x, _| ring.add(x, x));
        ring
    }

    /// The number that all is counted by.
    pub fn modulus(&self) -> u128 {
        self.n.into()
    }

    /// Zero.
    pub fn zero(&self) -> W {
        W::zero()
    }

    /// One.
    pub fn one(&self) -> W {
        self.one
    }

    /// A number of the outside.
    pub fn number(&self, n: u64) -> W {
        self.mul(<W as From<u64>>::from(n) % self.n, self.square)
    }

    /// The sum.
    #[inline(always)]
    pub fn add(&self, a: W, b: W) -> W {
        let (sum, over) = a.overflowing_add(&b);
        if over || sum >= self.n {
            sum.wrapping_sub(&self.n)
        } else {
            sum
        }
    }

    /// The difference.
    #[inline(always)]
    pub fn sub(&self, a: W, b: W) -> W {
        let (difference, under) = a.overflowing_sub(&b);
        if under {
            difference.wrapping_add(&self.n)
        } else {
            difference
        }
    }

    /// The product.
    #[inline(always)]
    pub fn mul(&self, a: W, b: W) -> W {
        let (high, low) = a.wide(b);
        // The low halves are equal, so the difference of the products is that of the high halves.
        let (over, _) = low.wrapping_mul(&self.inverse).wide(self.n);
        self.sub(high, over)
    }

    /// The product with itself.
    #[inline(always)]
    pub fn square(&self, a: W) -> W {
        self.mul(a, a)
    }

    /// A power.
    pub fn power(&self, base: W, exponent: u128) -> W {
        let mut result = self.one();
        for bit in (0..u128::BITS - exponent.leading_zeros()).rev() {
            result = self.square(result);
            if exponent >> bit & 1 == 1 {
                result = self.mul(result, base);
            }
        }
        result
    }

    /// The greatest common divisor with the modulus, which is the modulus itself for zero.
    pub fn gcd(&self, a: W) -> u128 {
        gcd(a.into(), self.modulus())
    }

    /// What the product with is one; none where a divisor is shared with the modulus.
    pub fn inverse(&self, a: W) -> Option<W> {
        // It is below the modulus, so the word holds it.
        let inverse = cast(inverse(a.into(), self.modulus())?)?;
        Some(self.mul(self.mul(inverse, self.square), self.square))
    }
}

/// The greatest common divisor of two numbers, at least one of them odd.
pub fn gcd(mut a: u128, mut b: u128) -> u128 {
    if b & 1 == 0 {
        std::mem::swap(&mut a, &mut b);
    }
    while a != 0 {
        a >>= a.trailing_zeros();
        if a < b {
            std::mem::swap(&mut a, &mut b);
        }
        a -= b;
    }
    b
}

/// The inverse modulo `n`, by Euclid. The coefficients change signs from step to step, so their sizes
/// suffice, and these stay below `n`.
fn inverse(a: u128, n: u128) -> Option<u128> {
    let (mut r, mut next_r) = (n, a);
    let (mut t, mut next_t) = (0, 1);
    let mut is_negative = false;
    while next_r > 1 {
        let q = r / next_r;
        (r, next_r) = (next_r, r % next_r);
        (t, next_t) = (next_t, t + q * next_t);
        is_negative = !is_negative;
    }
    (next_r == 1).then(|| if is_negative { n - next_t } else { next_t })
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;
    use proptest::prelude::*;

    fn check<W: Word>(ring: &Ring<W>, a: u64, b: u64, exponent: u128) {
        let big = |n: u128| BigUint::from(n);
        let n = big(ring.modulus());
        let (x, y) = (ring.number(a), ring.number(b));
        // Equal numbers have equal forms: both sides are brought in, and compared there.
        let form = |value: BigUint| {
            let digits = value.to_u64_digits();
            let shift = ring.power(ring.number(2), 64);
            digits
                .iter()
                .rev()
                .fold(ring.zero(), |sum, digit| ring.add(ring.mul(sum, shift), ring.number(*digit)))
        };
        let (a, b) = (big(a.into()), big(b.into()));
        assert!(ring.add(x, y) == form(&a + &b));
        assert!(ring.sub(x, y) == form((&a + &n - &b % &n) % &n));
        assert!(ring.mul(x, y) == form(&a * &b));
        assert!(ring.square(x) == form(&a * &a));
        assert!(ring.power(x, exponent) == form(a.modpow(&big(exponent), &n)));
        match ring.inverse(x) {
            Some(inverse) => assert!(ring.mul(inverse, x) == ring.one()),
            None => assert!(ring.gcd(x) > 1),
        }
        let (mut p, mut q) = (a % &n, n);
        while p != BigUint::ZERO {
            (p, q) = (&q % &p, p);
        }
        assert_eq!(big(ring.gcd(x)), q);
    }

    proptest! {
        #[test]
        fn counts_as_larger_numbers_do(n: u128, m: u64, a: u64, b: u64, exponent: u128) {
            check(&Ring::<u128>::new((n | 1).max(3)), a, b, exponent);
            check(&Ring::<u128>::new(n | 1 | 1 << 127), a, b, exponent);
            check(&Ring::<u64>::new((m | 1).max(3)), a, b, exponent);
            check(&Ring::<u64>::new(m | 1 | 1 << 63), a, b, exponent);
        }
    }

    #[test]
    fn the_largest_moduli_do_not_overflow() {
        check(&Ring::<u128>::new(u128::MAX), u64::MAX, u64::MAX - 1, u128::MAX);
        check(&Ring::<u64>::new(u64::MAX), u64::MAX - 1, u64::MAX - 2, u128::MAX);
        check(&Ring::<u64>::new(3), 2, 1, 5);
    }
}
