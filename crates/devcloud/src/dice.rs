//! Seeded draws. A draw depends on the seed, on what is drawn for and on the how-manieth draw for it this is, and on
//! nothing else: another call in between, or another order of tasks, changes no other draw.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The source of all draws of one seed.
#[derive(Debug, Default)]
pub(crate) struct Dice {
    seed: u64,
    drawn: Mutex<BTreeMap<String, u64>>,
}

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self { seed, drawn: Mutex::default() }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The next generator for this purpose.
    pub(crate) fn next(&self, purpose: &str) -> StdRng {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let times = match drawn.get_mut(purpose) {
            Some(times) => times,
            None => drawn.entry(purpose.to_owned()).or_default(),
        };
        *times += 1;
        draw(self.seed, purpose, *times)
    }
}

/// The generator of one draw.
pub(crate) fn draw(seed: u64, purpose: &str, nth: u64) -> StdRng {
    // FNV-1a over all three: the generator itself spreads what lies close together.
    let bytes = seed.to_le_bytes().into_iter().chain(purpose.bytes()).chain(nth.to_le_bytes());
    let mixed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    StdRng::seed_from_u64(mixed)
}
