#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::redact::laws::chunking_never_shows_in_any_body(data));
