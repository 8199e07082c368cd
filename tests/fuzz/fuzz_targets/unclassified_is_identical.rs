#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::redact::laws::unclassified_is_identical(data));
