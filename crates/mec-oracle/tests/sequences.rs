//! Sequences: the same seed is the same sequence, and a failing one is cut down to what it fails
//! for.

use mec_oracle::{Command, Generator, Oracle, Step, shrink};

fn sequence(seed: u64) -> Vec<Step> {
    let (mut generator, mut oracle) = (Generator::new(seed), Oracle::new());
    let mut next = || {
        let step = generator.next(&oracle);
        oracle.run(&step);
        step
    };
    (0..200).map(|_| next()).collect()
}

fn text(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn a_seed_is_a_sequence_and_no_two_are_alike() {
    assert_eq!(text(&sequence(7)), text(&sequence(7)));
    assert_ne!(text(&sequence(7)), text(&sequence(8)));
}

#[test]
fn time_grows_with_every_step_unless_standstills_are_asked_for() {
    let instants: Vec<i64> = sequence(3).iter().map(|step| step.at).collect();
    assert!(instants.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_failing_sequence_is_cut_down_to_the_steps_it_fails_for() {
    let steps = sequence(11);
    // It "fails" where a meter comes after a grant.
    let fails = |steps: &[Step]| {
        let grant = steps
            .iter()
            .position(|step| matches!(step.command, Command::Grant(_)));
        let meter = steps
            .iter()
            .rposition(|step| matches!(step.command, Command::Meter(_)));
        grant.zip(meter).is_some_and(|(grant, meter)| grant < meter)
    };
    assert!(fails(&steps));
    let short = shrink(&steps, fails);
    assert_eq!(short.len(), 2);
    assert!(fails(&short));
}
