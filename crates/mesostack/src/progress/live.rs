//! The live tree: redraws the board's picture in place, a few times a second.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mesostack::events::{Event, Listener};

use super::board::Board;

/// How often elapsed times move.
const REDRAW: Duration = Duration::from_millis(200);

/// Draws on standard error while there is something to draw.
#[derive(Debug)]
pub(super) struct Live {
    began: Instant,
    board: Arc<Mutex<Board>>,
    drawing: Mutex<Option<Drawing>>,
}

/// The tree on the terminal, and the thread that redraws it until the sender is dropped.
#[derive(Debug)]
struct Drawing {
    bar: ProgressBar,
    ending: Sender<()>,
    thread: JoinHandle<()>,
}

impl Live {
    /// Draws nothing before the first event.
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), board: Arc::default(), drawing: Mutex::default() }
    }

    /// Takes the tree off the terminal; the next event draws it again.
    pub(super) fn finish(&self) {
        let drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Drawing { bar, ending, thread }) = drawing {
            drop(ending);
            let _ = thread.join();
            bar.finish_and_clear();
        }
    }
}

impl Drawing {
    fn start(board: Arc<Mutex<Board>>, began: Instant) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let (ending, ended) = channel();
        let thread = std::thread::spawn({
            let bar = bar.clone();
            move || {
                while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(REDRAW) {
                    draw(&board, &bar, began.elapsed());
                }
            }
        });
        Self { bar, ending, thread }
    }
}

impl Listener for Live {
    fn hear(&self, event: Event) {
        let lines =
            self.board.lock().unwrap_or_else(PoisonError::into_inner).hear(event, self.began.elapsed());
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        let drawing = drawing.get_or_insert_with(|| Drawing::start(self.board.clone(), self.began));
        for line in lines {
            drawing.bar.println(line);
        }
    }
}

fn draw(board: &Mutex<Board>, bar: &ProgressBar, now: Duration) {
    let (height, width) = Term::stderr().size();
    // Half the terminal at most, so that finished lines stay in sight.
    let height = usize::from(height / 2).max(4);
    let lines = board.lock().unwrap_or_else(PoisonError::into_inner).picture(now, usize::from(width), height);
    bar.set_message(lines.join("\n"));
    bar.tick();
}
