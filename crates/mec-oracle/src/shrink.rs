//! A failing sequence made short: the prefix up to the failure, then without every step it fails
//! without.

use crate::command::Step;

/// The shortest sequence found that still `fails`.
pub fn shrink(steps: &[Step], mut fails: impl FnMut(&[Step]) -> bool) -> Vec<Step> {
    let mut steps = steps.to_vec();
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        let mut dropped = false;
        while start < steps.len() {
            let end = (start + size).min(steps.len());
            let fewer: Vec<Step> = steps[..start]
                .iter()
                .chain(&steps[end..])
                .cloned()
                .collect();
            if fails(&fewer) {
                steps = fewer;
                dropped = true;
            } else {
                start = end;
            }
        }
        size = if dropped && size == 1 { 1 } else { size / 2 };
    }
    steps
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = chrono::DateTime::from_timestamp_micros(self.at).unwrap_or_default();
        write!(f, "{:>3} {:?} {:?}", self.serial, at, self.command)
    }
}
