#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::redact::laws::agrees_with_reference(data));
