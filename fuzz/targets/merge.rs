#![no_main]

use appgen_fuzz::properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::merge(input));
