//! Where a window begins and ends.

use mec_kernel::{Time, WindowRule, Zone, window_at};

/// The first instant of the window that holds `at`, and the first after it; none where it has no
/// beginning or no end. A rolling window is the one that ends with `at`.
pub fn window_boundaries(rule: WindowRule, zone: &Zone, at: Time) -> (Option<Time>, Option<Time>) {
    window_at(rule, zone, at, at).shown(at)
}
