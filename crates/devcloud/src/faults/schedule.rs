//! Rules of one kind at work: what has been counted, and what strikes next.

use rand::RngExt;

use super::{Rule, When};
use crate::dice::draw;

/// Rules with their counts.
#[derive(Debug)]
pub(crate) struct Schedule<F> {
    seed: u64,
    rules: Vec<(Rule<F>, u64)>,
}

impl<F> Default for Schedule<F> {
    fn default() -> Self {
        Self { seed: 0, rules: Vec::new() }
    }
}

impl<F: Clone> Schedule<F> {
    pub(crate) fn of(seed: u64, rules: &[Rule<F>]) -> Self {
        Self { seed, rules: rules.iter().map(|rule| (rule.clone(), 0)).collect() }
    }

    /// What happens to the next one of this name.
    pub(crate) fn next(&mut self, name: &str) -> Option<F> {
        let mut struck = None;
        for (place, (rule, count)) in self.rules.iter_mut().enumerate() {
            if !rule.on.matches(name) {
                continue;
            }
            *count += 1;
            let strikes = struck.is_none()
                && match &rule.when {
                    When::Always => true,
                    When::Chance(chance) => {
                        draw(self.seed, &format!("rule {place}"), *count).random::<f64>() < *chance
                    }
                    When::At(positions) => positions.contains(count),
                };
            if strikes {
                struck = Some(rule.fault.clone());
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::faults::Pattern;

    fn rule(on: &str, when: When, fault: u8) -> Rule<u8> {
        Rule { on: Pattern::from(on), when, fault }
    }

    #[test]
    fn a_fault_strikes_exactly_where_it_was_told_to() {
        let rules = [rule("createPortForwardingRule", When::nth(7), 1), rule("create*", When::nth(2), 2)];
        let mut schedule = Schedule::of(0, &rules);
        assert_eq!(schedule.next("listZones"), None);
        assert_eq!(schedule.next("createTags"), None);
        let struck: Vec<_> = (1..=10).map(|_| schedule.next("createPortForwardingRule")).collect();
        let mut wanted = vec![None; 10];
        (wanted[0], wanted[6]) = (Some(2), Some(1));
        assert_eq!(struck, wanted);
    }

    #[test]
    fn the_first_of_two_that_strike_wins_and_both_have_counted() {
        let rules = [rule("*", When::nth(1), 1), rule("*", When::nth(1), 2), rule("*", When::nth(2), 3)];
        let mut schedule = Schedule::of(0, &rules);
        assert_eq!([schedule.next("a"), schedule.next("b"), schedule.next("c")], [Some(1), Some(3), None]);
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_faults_whatever_else_is_called(seed: u64, others in prop::collection::vec(0_usize..5, 200)) {
            let rules = [rule("create*", When::chance(0.3), 1)];
            let mut alone = Schedule::of(seed, &rules);
            let mut among = Schedule::of(seed, &rules);
            let mut struck = 0;
            for count in others {
                for _ in 0..count {
                    prop_assert_eq!(among.next("listZones"), None);
                }
                let fault = among.next("createTags");
                prop_assert_eq!(fault, alone.next("createNetwork"));
                struck += usize::from(fault.is_some());
            }
            prop_assert!((25..=100).contains(&struck), "{struck} of 200 at 0.3");
        }
    }
}
