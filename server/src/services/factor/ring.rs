//! Arithmetic modulo an odd number, in Montgomery's form: for numbers of one machine word, and of two.
//! Pure; [`super`] counts on it for everything else that it does.

/// The numbers modulo an odd one. Values are in a form of their own: what goes in by [`Ring::number`]
/// stays inside.
pub trait Ring {
    /// A number of the ring.
    type Value: Copy + PartialEq;

    /// The number that all is counted by.
    fn modulus(&self) -> u128;
    /// Zero.
    fn zero(&self) -> Self::Value;
    /// One.
    fn one(&self) -> Self::Value;
    /// A number of the outside.
    fn number(&self, n: u64) -> Self::Value;
    /// The sum.
    fn add(&self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// The difference.
    fn sub(&self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// The product.
    fn mul(&self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// The greatest common divisor with the modulus, which is the modulus itself for zero.
    fn gcd(&self, a: Self::Value) -> u128;
    /// What the product with is one; none where a divisor is shared with the modulus.
    fn inverse(&self, a: Self::Value) -> Option<Self::Value>;

    /// The product with itself.
    fn square(&self, a: Self::Value) -> Self::Value {
        self.mul(a, a)
    }

    /// A power.
    fn power(&self, base: Self::Value, exponent: u128) -> Self::Value {
        let mut result = self.one();
        for bit in (0..u128::BITS - exponent.leading_zeros()).rev() {
            result = self.square(result);
            if exponent >> bit & 1 == 1 {
                result = self.mul(result, base);
            }
        }
        result
    }
}

/// Modulo a number of up to 64 bits.
pub struct Ring64 {
    n: u64,
    /// The inverse of `n` modulo 2^64.
    inverse: u64,
    /// 2^64 modulo `n`: one.
    one: u64,
    /// 2^128 modulo `n`: brings numbers in.
    square: u64,
}

impl Ring64 {
    /// Modulo an odd number.
    pub fn new(n: u64) -> Ring64 {
        debug_assert!(n & 1 == 1, "Montgomery's form needs an odd modulus");
        // Newton's iteration: each round doubles the bits that are right, and n is its own inverse
        // in the lowest three.
        let inverse = (0..5).fold(n, |x, _| x.wrapping_mul(2_u64.wrapping_sub(n.wrapping_mul(x))));
        let one = n.wrapping_neg() % n;
        let square = (u128::from(one) * u128::from(one) % u128::from(n)) as u64;
        Ring64 { n, inverse, one, square }
    }
}

impl Ring for Ring64 {
    type Value = u64;

    fn modulus(&self) -> u128 {
        self.n.into()
    }

    fn zero(&self) -> u64 {
        0
    }

    fn one(&self) -> u64 {
        self.one
    }

    fn number(&self, n: u64) -> u64 {
        self.mul(n % self.n, self.square)
    }

    #[inline(always)]
    fn add(&self, a: u64, b: u64) -> u64 {
        let (sum, over) = a.overflowing_add(b);
        if over || sum >= self.n {
            sum.wrapping_sub(self.n)
        } else {
            sum
        }
    }

    #[inline(always)]
    fn sub(&self, a: u64, b: u64) -> u64 {
        let (difference, under) = a.overflowing_sub(b);
        if under {
            difference.wrapping_add(self.n)
        } else {
            difference
        }
    }

    #[inline(always)]
    fn mul(&self, a: u64, b: u64) -> u64 {
        let product = u128::from(a) * u128::from(b);
        let q = (product as u64).wrapping_mul(self.inverse);
        let over = (u128::from(q) * u128::from(self.n)) >> 64;
        // The low halves are equal, so the difference of the products is that of the high halves.
        self.sub((product >> 64) as u64, over as u64)
    }

    fn gcd(&self, a: u64) -> u128 {
        gcd(a.into(), self.modulus())
    }

    fn inverse(&self, a: u64) -> Option<u64> {
        let inverse = inverse(a.into(), self.modulus())? as u64;
        Some(self.mul(self.mul(inverse, self.square), self.square))
    }
}

/// Modulo a number of up to 128 bits.
pub struct Ring128 {
    n: u128,
    /// The inverse of `n` modulo 2^128.
    inverse: u128,
    /// 2^128 modulo `n`: one.
    one: u128,
    /// 2^256 modulo `n`: brings numbers in.
    square: u128,
}

impl Ring128 {
    /// Modulo an odd number.
    pub fn new(n: u128) -> Ring128 {
        debug_assert!(n & 1 == 1, "Montgomery's form needs an odd modulus");
        let inverse = (0..6).fold(n, |x, _| x.wrapping_mul(2_u128.wrapping_sub(n.wrapping_mul(x))));
        let one = n.wrapping_neg() % n;
        let mut ring = Ring128 { n, inverse, one, square: 0 };
        ring.square = (0..128).fold(one, |x, _| ring.add(x, x));
        ring
    }
}

impl Ring for Ring128 {
    type Value = u128;

    fn modulus(&self) -> u128 {
        self.n
    }

    fn zero(&self) -> u128 {
        0
    }

    fn one(&self) -> u128 {
        self.one
    }

    fn number(&self, n: u64) -> u128 {
        self.mul(u128::from(n) % self.n, self.square)
    }

    #[inline(always)]
    fn add(&self, a: u128, b: u128) -> u128 {
        let (sum, over) = a.overflowing_add(b);
        if over || sum >= self.n {
            sum.wrapping_sub(self.n)
        } else {
            sum
        }
    }

    #[inline(always)]
    fn sub(&self, a: u128, b: u128) -> u128 {
        let (difference, under) = a.overflowing_sub(b);
        if under {
            difference.wrapping_add(self.n)
        } else {
            difference
        }
    }

    #[inline(always)]
    fn mul(&self, a: u128, b: u128) -> u128 {
        let (high, low) = wide(a, b);
        let (over, _) = wide(low.wrapping_mul(self.inverse), self.n);
        self.sub(high, over)
    }

    fn gcd(&self, a: u128) -> u128 {
        gcd(a, self.n)
    }

    fn inverse(&self, a: u128) -> Option<u128> {
        let inverse = inverse(a, self.n)?;
        Some(self.mul(self.mul(inverse, self.square), self.square))
    }
}

/// The product of two numbers, as its high and its low half.
#[inline(always)]
fn wide(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let (p00, p01, p10, p11) = (a0 * b0, a0 * b1, a1 * b0, a1 * b1);
    let middle = (p00 >> 64) + (p01 & LOW) + (p10 & LOW);
    (p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64), middle << 64 | p00 & LOW)
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

    fn check<R: Ring>(ring: &R, a: u64, b: u64, exponent: u128) {
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
            check(&Ring128::new((n | 1).max(3)), a, b, exponent);
            check(&Ring128::new(n | 1 | 1 << 127), a, b, exponent);
            check(&Ring64::new((m | 1).max(3)), a, b, exponent);
            check(&Ring64::new(m | 1 | 1 << 63), a, b, exponent);
        }
    }

    #[test]
    fn the_largest_moduli_do_not_overflow() {
        check(&Ring128::new(u128::MAX), u64::MAX, u64::MAX - 1, u128::MAX);
        check(&Ring64::new(u64::MAX), u64::MAX - 1, u64::MAX - 2, u128::MAX);
        check(&Ring64::new(3), 2, 1, 5);
    }
}
