#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::redact::laws::valid_in_valid_out(data));
