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

/// Draws on standard error until finished.
#[derive(Debug)]
pub(super) struct Live {
    began: Instant,
    board: Arc<Mutex<Board>>,
    bar: ProgressBar,
    // Dropping the sender ends the drawing thread.
    drawing: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Live {
    pub(super) fn start() -> Self {
        let began = Instant::now();
        let board = Arc::new(Mutex::new(Board::default()));
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let (ending, ended) = channel();
        let drawing = std::thread::spawn({
            let (board, bar) = (board.clone(), bar.clone());
            move || {
                while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(REDRAW) {
                    draw(&board, &bar, began.elapsed());
                }
            }
        });
        Self { began, board, bar, drawing: Mutex::new(Some((ending, drawing))) }
    }

    pub(super) fn finish(&self) {
        let drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((ending, thread)) = drawing {
            drop(ending);
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}

impl Listener for Live {
    fn hear(&self, event: Event) {
        let lines =
            self.board.lock().unwrap_or_else(PoisonError::into_inner).hear(event, self.began.elapsed());
        for line in lines {
            self.bar.println(line);
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
