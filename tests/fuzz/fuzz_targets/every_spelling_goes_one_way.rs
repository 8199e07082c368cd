#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::gateway::laws::every_spelling_goes_one_way(data));
