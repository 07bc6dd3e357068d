//! Lenstra's elliptic curve method: finds a divisor in a time that depends on the size of the divisor,
//! not of the number. Curves of Montgomery's form by Suyama's parameter, and the usual two stages.
//! Pure: which curves are tried follows from the seed.

use super::ring::{gcd, Ring, Word};
use super::Stopped;
use crate::services::pool::Cancelled;

/// How much is tried on a number of curves: a divisor is found on a curve whose order has all its prime
/// powers below `first` but one, and that one below `second`.
struct Effort {
    curves: u32,
    first: u64,
    second: u64,
    /// How long the giant steps of the second stage are: a product of the first primes, so that few
    /// remainders are left, and no longer than twice `first`, where the second stage begins.
    step: u64,
}

/// From small divisors to those of 64 bits, and then all over again. The bounds are those with the
/// shortest times of many that were tried on random numbers (`cargo bench -p hubbub-server --bench own`).
const EFFORTS: &[Effort] = &[
    Effort { curves: 6, first: 120, second: 6_000, step: 210 },
    Effort { curves: 20, first: 400, second: 25_000, step: 210 },
    Effort { curves: 40, first: 1_200, second: 80_000, step: 2_310 },
    Effort { curves: 40, first: 4_000, second: 300_000, step: 2_310 },
    Effort { curves: 400, first: 12_000, second: 1_000_000, step: 2_310 },
];

/// A point without its y, as the ratio of two numbers.
#[derive(Clone, Copy)]
struct Point<V> {
    x: V,
    z: V,
}

/// A curve: of its equation, (A + 2) / 4 is all that counting needs.
struct Curve<'a, W> {
    ring: &'a Ring<W>,
    a: W,
}

/// What was found on a curve.
enum Found {
    Divisor(u128),
    Nothing,
}

impl Found {
    /// A greatest common divisor says nothing when it is one, or the number itself.
    fn of(divisor: u128, n: u128) -> Found {
        if divisor == 1 || divisor == n {
            Found::Nothing
        } else {
            Found::Divisor(divisor)
        }
    }
}

/// A divisor of a composite number without small prime divisors, that is no square.
pub fn divisor<W: Word>(ring: &Ring<W>, mut seed: u64, cancelled: &Cancelled) -> Result<u128, Stopped> {
    loop {
        for effort in EFFORTS {
            let (powers, remainders) = (prime_powers(effort.first), remainders(effort.step));
            for _ in 0..effort.curves {
                if cancelled.is_set() {
                    return Err(Stopped);
                }
                seed = next(seed);
                if let Found::Divisor(divisor) = attempt(ring, seed, &powers, &remainders, effort) {
                    return Ok(divisor);
                }
            }
        }
    }
}

/// The next of a sequence that looks like chance (splitmix64).
fn next(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// For each prime up to a bound, its largest power up to it.
fn prime_powers(bound: u64) -> Vec<u64> {
    let is_prime = |n: u64| (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    let largest = |p: u64| {
        let mut power = p;
        while power * p <= bound {
            power *= p;
        }
        power
    };
    (2..=bound).filter(|n| is_prime(*n)).map(largest).collect()
}

/// What a prime can be away from the nearest multiple of a giant step.
fn remainders(step: u64) -> Vec<u64> {
    (1..step / 2).step_by(2).filter(|r| gcd(u128::from(*r), u128::from(step)) == 1).collect()
}

fn attempt<W: Word>(ring: &Ring<W>, seed: u64, powers: &[u64], remainders: &[u64], effort: &Effort) -> Found {
    let n = ring.modulus();
    let Some((curve, start)) = Curve::new(ring, 6 + (seed >> 32)) else { return Found::Nothing };
    let point = powers.iter().fold(start, |point, power| curve.times(point, *power));
    let divisor = ring.gcd(point.z);
    if divisor != 1 {
        return Found::of(divisor, n);
    }
    curve.second_stage(point, remainders, effort)
}

impl<'a, W: Word> Curve<'a, W> {
    /// A curve and a point on it, whose group has an order that twelve divides. None where a division
    /// failed: it would tell a divisor, but that is too rare to be worth anything.
    fn new(ring: &'a Ring<W>, sigma: u64) -> Option<(Self, Point<W>)> {
        let sigma = ring.number(sigma);
        let u = ring.sub(ring.square(sigma), ring.number(5));
        let v = ring.mul(ring.number(4), sigma);
        let (u3, v3) = (ring.mul(ring.square(u), u), ring.mul(ring.square(v), v));
        let difference = ring.sub(v, u);
        let above =
            ring.mul(ring.mul(ring.square(difference), difference), ring.add(ring.mul(ring.number(3), u), v));
        let below = ring.mul(ring.mul(ring.number(16), u3), v);
        let a = ring.mul(above, ring.inverse(below)?);
        Some((Curve { ring, a }, Point { x: u3, z: v3 }))
    }

    #[inline(always)]
    fn double(&self, p: Point<W>) -> Point<W> {
        let ring = self.ring;
        let sum = ring.square(ring.add(p.x, p.z));
        let difference = ring.square(ring.sub(p.x, p.z));
        let cross = ring.sub(sum, difference);
        Point {
            x: ring.mul(sum, difference),
            z: ring.mul(cross, ring.add(difference, ring.mul(self.a, cross))),
        }
    }

    /// The sum of two points whose difference is known.
    #[inline(always)]
    fn add(&self, p: Point<W>, q: Point<W>, difference: Point<W>) -> Point<W> {
        let ring = self.ring;
        let a = ring.mul(ring.sub(p.x, p.z), ring.add(q.x, q.z));
        let b = ring.mul(ring.add(p.x, p.z), ring.sub(q.x, q.z));
        Point {
            x: ring.mul(difference.z, ring.square(ring.add(a, b))),
            z: ring.mul(difference.x, ring.square(ring.sub(a, b))),
        }
    }

    /// A multiple, by Montgomery's ladder.
    fn times(&self, p: Point<W>, factor: u64) -> Point<W> {
        let (mut low, mut high) = (p, self.double(p));
        if factor == 1 {
            return low;
        }
        for bit in (0..u64::BITS - 1 - factor.leading_zeros()).rev() {
            let between = self.add(high, low, p);
            if factor >> bit & 1 == 1 {
                (low, high) = (between, self.double(high));
            } else {
                (low, high) = (self.double(low), between);
            }
        }
        low
    }

    /// Whether one more prime up to the second bound makes the point zero: a prime is a multiple of the
    /// giant step and a remainder, and then the two multiples of the point have the same x.
    fn second_stage(&self, point: Point<W>, remainders: &[u64], effort: &Effort) -> Found {
        let ring = self.ring;
        let mut near = Vec::with_capacity(remainders.len());
        let two = self.double(point);
        let (mut before, mut here) = (point, point); // of -1 and of 1
        let mut wanted = remainders.iter().peekable();
        for r in (1..effort.step / 2).step_by(2) {
            if wanted.next_if(|wanted| **wanted == r).is_some() {
                near.push(here);
            }
            (before, here) = (here, self.add(here, two, before));
        }
        let step = self.times(point, effort.step);
        let steps = (effort.first + effort.step / 2) / effort.step..=effort.second / effort.step;
        let (mut here, mut after) = (self.times(step, *steps.start()), self.times(step, steps.start() + 1));
        let far: Vec<_> = steps
            .map(|_| {
                let far = here;
                (here, after) = (after, self.add(after, step, here));
                far
            })
            .collect();
        let near_count = near.len();
        near.extend(far);
        let Some(x) = self.x_of_all(&near) else {
            let product = near.iter().fold(ring.one(), |product, p| ring.mul(product, p.z));
            return Found::of(ring.gcd(product), ring.modulus());
        };
        let (near, far) = x.split_at(near_count);
        let mut product = ring.one();
        for far in far {
            for near in near {
                product = ring.mul(product, ring.sub(*far, *near));
            }
        }
        Found::of(ring.gcd(product), ring.modulus())
    }

    /// The x of many points, with one division for all. None when it fails.
    fn x_of_all(&self, points: &[Point<W>]) -> Option<Vec<W>> {
        let ring = self.ring;
        let mut product = ring.one();
        let mut xs: Vec<W> = Vec::with_capacity(points.len());
        for point in points {
            xs.push(product);
            product = ring.mul(product, point.z);
        }
        let mut inverse = ring.inverse(product)?;
        for (x, point) in xs.iter_mut().zip(points).rev() {
            *x = ring.mul(ring.mul(*x, inverse), point.x);
            inverse = ring.mul(inverse, point.z);
        }
        Some(xs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_of_a_point_are_the_same_by_any_way() {
        let ring = Ring::new(1_000_000_007);
        let (curve, p) = Curve::new(&ring, 11).expect("the modulus is prime");
        let x = |p: Point<u64>| ring.mul(p.x, ring.inverse(p.z).expect("the modulus is prime"));
        assert_eq!(x(curve.times(curve.times(p, 6), 35)), x(curve.times(p, 210)));
        assert_eq!(
            x(curve.add(curve.times(p, 9), curve.times(p, 4), curve.times(p, 5))),
            x(curve.times(p, 13))
        );
        assert_eq!(x(curve.double(curve.times(p, 8))), x(curve.times(p, 16)));
        assert_eq!(x(curve.times(p, 1)), x(p));
    }

    #[test]
    fn a_divisor_is_found_in_one_word_and_in_two() {
        let cancelled = Cancelled::default();
        let (p, q) = (4_294_967_291_u64, 4_294_967_279);
        let found = divisor(&Ring::new(p * q), 1, &cancelled).expect("it is not cancelled");
        assert!([p, q].contains(&(found as u64)), "{found}");
        let q = 1_000_000_000_000_000_003;
        let found = divisor(&Ring::new(u128::from(p) * q), 1, &cancelled).expect("it is not cancelled");
        assert!([p.into(), q].contains(&found), "{found}");
    }

    #[test]
    fn who_is_told_to_stop_stops() {
        let cancelled = Cancelled::default();
        cancelled.set();
        assert!(divisor(&Ring::<u64>::new(35), 1, &cancelled).is_err());
    }
}
