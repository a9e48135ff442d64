//! The live tree: a thread redraws the board's picture in place, a few times a second. Whoever tells events never waits
//! for the terminal.

use std::{
    io::Stderr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use console::Term;
use mesostack::{
    events::{Event, Listener},
    timeline::Figures,
};

use super::{board::Board, screen::Screen};

/// How often the tree is drawn anew.
const REDRAW: Duration = Duration::from_millis(125);

/// Draws on standard error while there is something to draw.
#[derive(Debug)]
pub(super) struct Live {
    shared: Arc<Shared>,
    drawing: Mutex<Option<Drawing>>,
}

/// What those who tell and the one who draws share.
#[derive(Debug)]
struct Shared {
    began: Instant,
    state: Mutex<State>,
    /// The process goes down in disorder: nothing is drawn any more.
    down: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    board: Board,
    /// Lines that stay and are not written yet.
    stay: Vec<String>,
}

/// The thread that draws until the sender is dropped.
#[derive(Debug)]
struct Drawing {
    ending: Sender<()>,
    thread: JoinHandle<()>,
}

impl Live {
    /// Draws nothing before the first event.
    pub(super) fn new() -> Self {
        let (began, state, down) = (Instant::now(), Mutex::default(), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { began, state, down }), drawing: Mutex::default() }
    }

    /// From the first panic on nothing is drawn, so that what it says stays readable.
    pub(super) fn give_way_to_panics(&self) {
        let shared = Arc::downgrade(&self.shared);
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(shared) = shared.upgrade() {
                shared.down.store(true, Ordering::SeqCst);
            }
            usual(panic);
        }));
    }

    /// Takes the tree off the terminal; the next event draws it again.
    pub(super) fn finish(&self) {
        let drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Drawing { ending, thread }) = drawing {
            drop(ending);
            let _ = thread.join();
        }
    }

    pub(super) fn expect(&self, figures: Figures) {
        self.shared.state().board.expect(figures);
    }

    /// Says that the run is ending before its time; the tree shows what is still under way.
    pub(super) fn stopping(&self) {
        self.shared.state().board.stopping = true;
    }

    fn draw(&self) {
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        drawing.get_or_insert_with(|| Drawing::start(self.shared.clone()));
    }
}

impl Listener for Live {
    fn hear(&self, event: Event) {
        {
            let now = self.shared.began.elapsed();
            let mut state = self.shared.state();
            let lines = state.board.hear(event, now);
            state.stay.extend(lines);
        }
        self.draw();
    }
}

impl Drawing {
    fn start(shared: Arc<Shared>) -> Self {
        let (ending, ended) = channel();
        let thread = std::thread::spawn(move || {
            let mut screen = Screen::new(std::io::stderr());
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(REDRAW) {
                shared.draw(&mut screen, true);
            }
            shared.draw(&mut screen, false);
        });
        Self { ending, thread }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, screen: &mut Screen<Stderr>, tree: bool) {
        if self.down.load(Ordering::SeqCst) {
            return;
        }
        let (height, width) = Term::stderr().size();
        let (height, width) = (usize::from(height), usize::from(width));
        // Half the terminal at most, so that finished lines stay in sight; and the last column stays free, since
        // terminals do not agree on when a full line is broken.
        let most = (height / 2).max(4).min(height.saturating_sub(1));
        let (stay, tree) = {
            let mut state = self.state();
            let now = self.began.elapsed();
            let picture = match tree {
                true => state.board.picture(now, width.saturating_sub(1), most),
                false => Vec::new(),
            };
            (std::mem::take(&mut state.stay), picture)
        };
        let _ = screen.draw(&stay, &tree, width);
    }
}
