#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::gateway::laws::nobody_names_themselves(data));
