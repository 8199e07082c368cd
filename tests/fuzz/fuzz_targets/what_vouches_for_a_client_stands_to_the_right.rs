#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::gateway::laws::what_vouches_for_a_client_stands_to_the_right(data));
