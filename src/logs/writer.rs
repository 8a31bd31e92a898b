//! Lines on their way to standard error. Nobody waits for whoever reads them.
//!
//! ```text
//! any thread ──line──> a queue, bounded in bytes ──> one thread that writes, and may be held up
//! ```
//!
//! A pipe that nobody reads, or a full disk, holds up or fails the write. Then lines are dropped, and counted: a log
//! must never be what a service stops for.

use crate::limits::{LOG_FLUSH_MAX, LOG_QUEUE_MAX_BYTES};
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Called for each line that is dropped.
pub type Dropped = Arc<dyn Fn() + Send + Sync>;

/// Where lines go in; clones are one.
#[derive(Clone)]
pub(super) struct Lines {
    queue: mpsc::Sender<Vec<u8>>,
    /// Taken and not written yet. Raised by whoever logs, lowered by the thread that writes.
    queued_bytes: Arc<AtomicUsize>,
    dropped: Dropped,
}

impl Lines {
    /// Lines are written to `output`, by a thread that lives as long as the process.
    pub fn to(output: impl Write + Send + 'static, dropped: Dropped) -> io::Result<Lines> {
        let (queue, lines) = mpsc::channel();
        let lines_in = Lines { queue, queued_bytes: Arc::default(), dropped };
        let (queued_bytes, dropped) = (Arc::clone(&lines_in.queued_bytes), Arc::clone(&lines_in.dropped));
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(output, &lines, &queued_bytes, &dropped))?;
        Ok(lines_in)
    }

    /// Waits for what is queued, within a bound.
    pub fn flush(&self) {
        let (_silence, nothing) = mpsc::channel::<()>();
        let end = Instant::now() + LOG_FLUSH_MAX;
        while self.queued_bytes.load(Ordering::Acquire) > 0 && Instant::now() < end {
            let _ = nothing.recv_timeout(Duration::from_millis(5));
        }
    }
}

fn write_all(
    mut output: impl Write,
    lines: &mpsc::Receiver<Vec<u8>>,
    queued_bytes: &AtomicUsize,
    dropped: &Dropped,
) {
    for line in lines {
        if output.write_all(&line).is_err() {
            dropped();
        }
        queued_bytes.fetch_sub(line.len(), Ordering::AcqRel);
    }
}

impl Write for Lines {
    /// A whole line, as the formatter hands it over. It is taken or dropped, and never an error.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let queued = self.queued_bytes.fetch_add(line.len(), Ordering::AcqRel);
        if queued + line.len() > LOG_QUEUE_MAX_BYTES || self.queue.send(line.to_vec()).is_err() {
            self.queued_bytes.fetch_sub(line.len(), Ordering::AcqRel);
            (self.dropped)();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    /// Takes what it is allowed to take, and waits for the rest of the permits.
    struct Pipe {
        permits: mpsc::Receiver<io::Result<()>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.permits.recv().unwrap_or(Ok(()))?;
            self.written.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Bench {
        lines: Lines,
        permit: mpsc::Sender<io::Result<()>>,
        written: Arc<Mutex<Vec<u8>>>,
        dropped: Arc<AtomicUsize>,
    }

    fn piped() -> Bench {
        let (permit, permits) = mpsc::channel();
        let (written, dropped) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<AtomicUsize>::default());
        let counted = Arc::clone(&dropped);
        let count = Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let lines = Lines::to(Pipe { permits, written: Arc::clone(&written) }, count).unwrap();
        Bench { lines, permit, written, dropped }
    }

    #[test]
    fn a_pipe_that_nobody_reads_costs_lines_and_nothing_else() {
        let Bench { mut lines, permit, written, dropped } = piped();
        let line = [b'x'; 1_024];
        let fit = LOG_QUEUE_MAX_BYTES / line.len();
        for _ in 0..fit + 100 {
            lines.write_all(&line).unwrap();
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 100);
        drop(permit);
        lines.flush();
        assert_eq!(written.lock().len(), fit * line.len());
        lines.write_all(b"again").unwrap();
        lines.flush();
        assert!(written.lock().ends_with(b"again"));
    }

    #[test]
    fn a_full_disk_costs_the_lines_that_it_does_not_take() {
        let Bench { mut lines, permit, written, dropped } = piped();
        for outcome in [Ok(()), Err(io::ErrorKind::StorageFull.into()), Ok(())] {
            permit.send(outcome).unwrap();
        }
        for line in [b"1", b"2", b"3"] {
            lines.write_all(line).unwrap();
        }
        lines.flush();
        assert_eq!((written.lock().as_slice(), dropped.load(Ordering::Relaxed)), (b"13".as_slice(), 1));
    }

    #[test]
    fn the_end_does_not_wait_for_a_pipe_that_nobody_reads() {
        let Bench { mut lines, permit: _permit, .. } = piped();
        lines.write_all(b"stuck").unwrap();
        let begin = Instant::now();
        lines.flush();
        assert!((LOG_FLUSH_MAX..LOG_FLUSH_MAX * 5).contains(&begin.elapsed()));
    }
}
