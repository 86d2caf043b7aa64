//! Whatever is said in response to a problem, and whatever stands in a file of responses, is judged.
//!
//! The first bytes of the input say which problem.
#![no_main]

use isonomy::envs::reasoning::tasks::{Address, DOMAINS, Split, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [domain, level, index, response @ ..] = bytes else { return };
    let domain = DOMAINS[usize::from(*domain) % DOMAINS.len()];
    let level = 1 + u32::from(*level) % domain.levels();
    let address = Address::new(0, domain, level, Split::Train, u64::from(*index)).expect("a level of the domain");
    let problem = address.problem();
    let text = String::from_utf8_lossy(response);
    let score = domain.score(&problem, &text);
    assert!(score == f64::from(u8::from(text == problem.answer)) || score == 1.0 && domain.name() == "cd");
    domain.accepts(&text, &problem.answer);
    domain.question(&text);
    domain.kin(&text);
    domain.effort(&text);
    if let Err(mistakes) = read(bytes) {
        assert!(!mistakes.is_empty());
    }
});
