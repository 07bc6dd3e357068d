//! The hub's own services that compute, at their worst: products of two primes of the same length, and
//! large Fibonacci numbers with their printing. `cargo bench -p hubbub-server --bench own`.

use divan::{black_box, Bencher};
use hubbub_server::services::factor::{factorize, is_prime};
use hubbub_server::services::fibonacci::fibonacci;
use hubbub_server::services::palindrome::is_palindrome;
use hubbub_server::services::pool::Cancelled;
use hubbub_server::services::reversed;
use std::cell::RefCell;

fn main() {
    divan::main();
}

/// A prime of exactly so many bits.
fn prime(random: &mut fastrand::Rng, bits: u32) -> u128 {
    loop {
        let n = u128::from(random.u64(..)) >> (64 - bits) | 1 << (bits - 1) | 1;
        if is_prime(n) {
            return n;
        }
    }
}

/// Each time another number, the same ones in each run.
#[divan::bench(args = [16, 20, 24, 32, 40, 48, 56, 60, 64], sample_count = 100, sample_size = 1)]
fn factor_two_primes_of(bencher: Bencher<'_, '_>, bits: u32) {
    let random = RefCell::new(fastrand::Rng::with_seed(7));
    bencher
        .with_inputs(|| {
            let mut random = random.borrow_mut();
            prime(&mut random, bits) * prime(&mut random, bits)
        })
        .bench_local_values(|n| factorize(n, &Cancelled::new()));
}

#[divan::bench(sample_count = 1000, sample_size = 1)]
fn factor_any_u64(bencher: Bencher<'_, '_>) {
    let random = RefCell::new(fastrand::Rng::with_seed(7));
    bencher
        .with_inputs(|| u128::from(random.borrow_mut().u64(..)))
        .bench_local_values(|n| factorize(n, &Cancelled::new()));
}

#[divan::bench(args = [12, 100, 1_000, 2_000, 10_000, 121_212, 1_000_000])]
fn fibonacci_printed(n: u64) -> Option<usize> {
    fibonacci(black_box(n), &Cancelled::new()).map(|number| number.to_string().len())
}

#[divan::bench(args = [128, 512, 4096])]
fn reverse_bytes(bencher: Bencher<'_, '_>, bytes: usize) {
    let text = "e\u{301}🇩🇪".repeat(bytes / 11);
    bencher.bench(|| reversed(black_box(&text)));
}

#[divan::bench(args = [4096])]
fn palindrome_bytes(bencher: Bencher<'_, '_>, bytes: usize) {
    let text = "é".repeat(bytes / 2);
    bencher.bench(|| is_palindrome(black_box(&text)));
}
