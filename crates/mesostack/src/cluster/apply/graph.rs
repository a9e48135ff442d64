//! Runs a graph of steps: each as soon as what it waits for is over, no more side by side in a lane than it holds.
//!
//! Knows nothing of clouds. A step that fails takes down what needs it and nothing else; a stop lets running steps end
//! within a grace period, and starts no more.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// What one step waits for, and what it shares with others.
#[derive(Clone, Debug)]
pub(super) struct Node<L> {
    /// Earlier steps that have to end well.
    pub(super) after: Vec<usize>,
    /// Earlier steps that have to be over.
    pub(super) once_over: Vec<usize>,
    /// What it shares.
    pub(super) lane: L,
}

/// How a step ended.
#[derive(Debug)]
pub(super) enum Outcome<E> {
    /// Well.
    Done,
    /// Not well.
    Failed(E),
    /// It was not begun: what it needs failed, or the run was stopped.
    Skipped,
    /// It was running when the run was stopped, and did not end within the grace period.
    Abandoned,
}

impl<E> Outcome<E> {
    fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

/// How a graph is run.
pub(super) struct Ways<'a, W> {
    /// How many steps of a lane may run side by side, at least one; asked anew whenever steps could begin.
    pub(super) width: W,
    /// Told when a lane holds more than before.
    pub(super) widened: &'a Notify,
    /// Ends it.
    pub(super) stop: &'a CancellationToken,
    /// What running steps get to end then.
    pub(super) grace: Duration,
}

/// Runs the graph to its end. Within a lane earlier steps go first.
pub(super) async fn run<L, E, F>(
    nodes: &[Node<L>],
    ways: Ways<'_, impl Fn(L) -> usize>,
    act: impl Fn(usize) -> F,
) -> Vec<Outcome<E>>
where
    L: Copy + Ord,
    F: Future<Output = Result<(), E>>,
{
    let Ways { width, widened, stop, grace } = ways;
    let mut board = Board::new(nodes);
    let mut running = FuturesUnordered::new();
    let mut give_up: Option<Instant> = None;
    loop {
        if !stop.is_cancelled() {
            for at in board.take_ready(&width) {
                let step = act(at);
                running.push(async move { (at, step.await) });
            }
        }
        if running.is_empty() {
            break;
        }
        let ended = tokio::select! {
            ended = running.next() => ended,
            () = widened.notified() => continue,
            () = stop.cancelled(), if give_up.is_none() => {
                give_up = Some(Instant::now() + grace);
                continue;
            }
            () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => break,
        };
        if let Some((at, result)) = ended {
            board.end(at, result.map_or_else(Outcome::Failed, |()| Outcome::Done));
        }
    }
    board.outcomes()
}

/// Who waits for whom, and how far everybody is.
struct Board<'a, L, E> {
    nodes: &'a [Node<L>],
    /// For each step, the later ones that wait for it, and whether they need it to end well.
    waiting: Vec<Vec<(usize, bool)>>,
    /// For each step, how many it still waits for.
    left: Vec<usize>,
    /// Steps that could begin.
    ready: BTreeMap<L, BTreeSet<usize>>,
    /// How many run in each lane.
    busy: BTreeMap<L, usize>,
    begun: Vec<bool>,
    outcomes: Vec<Option<Outcome<E>>>,
}

impl<'a, L: Copy + Ord, E> Board<'a, L, E> {
    fn new(nodes: &'a [Node<L>]) -> Self {
        let mut board = Self {
            nodes,
            waiting: vec![Vec::new(); nodes.len()],
            left: nodes.iter().map(|node| node.after.len() + node.once_over.len()).collect(),
            ready: BTreeMap::new(),
            busy: BTreeMap::new(),
            begun: vec![false; nodes.len()],
            outcomes: nodes.iter().map(|_| None).collect(),
        };
        for (at, node) in nodes.iter().enumerate() {
            node.after.iter().for_each(|before| board.waiting[*before].push((at, true)));
            node.once_over.iter().for_each(|before| board.waiting[*before].push((at, false)));
            if board.left[at] == 0 {
                board.ready.entry(node.lane).or_default().insert(at);
            }
        }
        board
    }

    /// Steps that begin now, as far as their lanes hold them.
    fn take_ready(&mut self, width: impl Fn(L) -> usize) -> Vec<usize> {
        let mut taken = Vec::new();
        for (lane, ready) in &mut self.ready {
            let busy = self.busy.entry(*lane).or_default();
            while *busy < width(*lane).max(1)
                && let Some(at) = ready.pop_first()
            {
                *busy += 1;
                self.begun[at] = true;
                taken.push(at);
            }
        }
        taken
    }

    /// A step is over, and with it every one that needed it to end well when it did not.
    fn end(&mut self, at: usize, outcome: Outcome<E>) {
        *self.busy.entry(self.nodes[at].lane).or_default() -= 1;
        let mut over = vec![(at, outcome.is_done())];
        self.outcomes[at] = Some(outcome);
        while let Some((at, well)) = over.pop() {
            for (later, needs) in std::mem::take(&mut self.waiting[at]) {
                self.left[later] -= 1;
                if self.outcomes[later].is_some() {
                    continue;
                }
                if needs && !well {
                    self.outcomes[later] = Some(Outcome::Skipped);
                    over.push((later, false));
                } else if self.left[later] == 0 {
                    self.ready.entry(self.nodes[later].lane).or_default().insert(later);
                }
            }
        }
    }

    fn outcomes(self) -> Vec<Outcome<E>> {
        let rest = |begun: bool| if begun { Outcome::Abandoned } else { Outcome::Skipped };
        self.outcomes
            .into_iter()
            .zip(self.begun)
            .map(|(outcome, begun)| outcome.unwrap_or_else(|| rest(begun)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use proptest::prelude::*;
    use tokio::time::sleep;

    use super::*;

    fn node(after: &[usize], lane: u8) -> Node<u8> {
        Node { after: after.to_vec(), once_over: Vec::new(), lane }
    }

    fn ways<'a, W>(width: W, widened: &'a Notify, stop: &'a CancellationToken) -> Ways<'a, W> {
        Ways { width, widened, stop, grace: Duration::from_secs(5) }
    }

    async fn logged(
        nodes: &[Node<u8>],
        width: usize,
        fails: &[usize],
        stop: &CancellationToken,
    ) -> (Vec<Outcome<()>>, Vec<String>) {
        let log = Rc::new(RefCell::new(Vec::new()));
        let outcomes = run(nodes, ways(|_| width, &Notify::new(), stop), |at| {
            let log = Rc::clone(&log);
            let failed = fails.contains(&at);
            async move {
                log.borrow_mut().push(format!("+{at}"));
                sleep(Duration::from_secs(1)).await;
                log.borrow_mut().push(format!("-{at}"));
                if failed { Err(()) } else { Ok(()) }
            }
        })
        .await;
        let log = log.borrow().clone();
        (outcomes, log)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_of_one_runs_its_steps_one_after_another_in_their_order() {
        let nodes = [node(&[], 0), node(&[], 0), node(&[], 0)];
        let (_, log) = logged(&nodes, 1, &[], &CancellationToken::new()).await;
        assert_eq!(log, ["+0", "-0", "+1", "-1", "+2", "-2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_skips_what_needs_it_and_nothing_else() {
        let mut nodes = vec![node(&[], 0), node(&[0], 1), node(&[], 2), node(&[1], 3)];
        nodes.push(Node { after: vec![2], once_over: vec![0], lane: 4 });
        let (outcomes, _) = logged(&nodes, 1, &[0], &CancellationToken::new()).await;
        assert!(matches!(
            outcomes.as_slice(),
            [Outcome::Failed(()), Outcome::Skipped, Outcome::Done, Outcome::Skipped, Outcome::Done]
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_lets_running_steps_end_and_starts_no_more() {
        let stop = CancellationToken::new();
        let nodes = [node(&[], 0), node(&[0], 0)];
        let stopper = async {
            sleep(Duration::from_millis(500)).await;
            stop.cancel();
        };
        let ((outcomes, _), ()) = tokio::join!(logged(&nodes, 1, &[], &stop), stopper);
        assert!(matches!(outcomes.as_slice(), [Outcome::Done, Outcome::Skipped]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_within_the_grace_period_is_abandoned() {
        let stop = CancellationToken::new();
        stop.cancel();
        let stop_later = CancellationToken::new();
        let begun = Instant::now();
        let nodes = [node(&[], 0)];
        let widened = Notify::new();
        let run =
            run(&nodes, ways(|_| 1, &widened, &stop_later), |_| std::future::pending::<Result<(), ()>>());
        let stopper = async {
            sleep(Duration::from_secs(1)).await;
            stop_later.cancel();
        };
        let (outcomes, ()) = tokio::join!(run, stopper);
        assert!(matches!(outcomes.as_slice(), [Outcome::Abandoned]));
        assert_eq!(begun.elapsed(), Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_is_widened_takes_the_next_step_at_once() {
        let (widened, width) = (Notify::new(), std::cell::Cell::new(1));
        let stop = CancellationToken::new();
        let nodes = [node(&[], 0), node(&[], 0)];
        let begun = Instant::now();
        let run = run(&nodes, ways(|_| width.get(), &widened, &stop), |_| async {
            sleep(Duration::from_secs(10)).await;
            Ok::<_, ()>(())
        });
        let widen = async {
            sleep(Duration::from_secs(1)).await;
            width.set(2);
            widened.notify_one();
        };
        let _ = tokio::join!(run, widen);
        assert_eq!(begun.elapsed(), Duration::from_secs(11));
    }

    proptest! {
        #[test]
        fn every_step_runs_once_after_what_it_waits_for(
            edges in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..20),
            width in 1usize..4,
        ) {
            let nodes = edges.iter().enumerate()
                .map(|(at, edges)| {
                    let after = edges.iter().filter(|_| at > 0).map(|edge| edge.index(at)).collect::<Vec<_>>();
                    Node { after, once_over: Vec::new(), lane: u8::from(at % 2 == 0) }
                })
                .collect::<Vec<_>>();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
            let (outcomes, log) = runtime.block_on(logged(&nodes, width, &[], &CancellationToken::new()));
            prop_assert!(outcomes.iter().all(Outcome::is_done));
            let place = |entry: String| log.iter().position(|line| *line == entry).expect("logged");
            prop_assert_eq!(log.len(), 2 * nodes.len());
            for (at, node) in nodes.iter().enumerate() {
                for before in &node.after {
                    let (ended, began) = (place(format!("-{before}")), place(format!("+{at}")));
                    prop_assert!(ended < began);
                }
            }
        }
    }
}
