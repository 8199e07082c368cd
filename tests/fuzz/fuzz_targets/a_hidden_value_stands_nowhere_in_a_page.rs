#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| rempart::redact::laws::a_hidden_value_stands_nowhere_in_a_page(data));
