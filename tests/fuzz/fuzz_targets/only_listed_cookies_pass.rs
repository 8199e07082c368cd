#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::gateway::laws::only_listed_cookies_pass(data));
