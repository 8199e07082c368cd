#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::gateway::laws::what_was_matched_is_what_is_forwarded(data));
