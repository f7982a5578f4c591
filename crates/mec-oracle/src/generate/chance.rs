//! Reproducible chance (splitmix64).

/// A stream of numbers that a seed determines.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        // Mixed, so that the streams of neighbouring seeds do not overlap.
        Self(mix(seed ^ 0x5851_f42d_4c95_7f2d))
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// 0 … `end` − 1.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// A place in a list of `len`.
    pub(super) fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.draw() % u64::try_from(len).expect("a length"))
            .expect("less than a length")
    }

    /// Once in `times`.
    pub(super) fn of(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

const fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
