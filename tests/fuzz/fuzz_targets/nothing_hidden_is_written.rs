#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::redact::laws::nothing_hidden_is_written(data));
