#![no_main]

use hubbub_shared::Encoding;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hubbub_fuzz::run(Encoding::Frame, data));
