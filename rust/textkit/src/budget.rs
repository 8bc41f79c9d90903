//! A limit on the memory and time of a template.
//!
//! A template can double a string forty times in forty steps, and Rust ends the process when memory
//! runs out. So a rendering runs on a thread of its own, whose allocations are counted; the one that
//! would go over the budget never returns: the thread sleeps for good, and whoever waits for it is
//! told. Such a thread keeps what it holds, so a template may do that a few times only (`Strikes`):
//! one large conversation does not take the template away from all that come after.
//!
//! Time is the thread's own on a processor: a busy machine makes no template slow.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Kind, Result, TextError};
use crate::ffi::caught;

/// Bytes that a rendering may hold at once, and may ask for altogether (which bounds its time too).
const MAX_HELD: isize = 512 << 20;
const MAX_ASKED: isize = 4 << 30;
const MAX_SECONDS: u64 = 30;
/// Renderings beyond the budget that a template may cost the process.
const MAX_STRIKES: usize = 3;
/// Deep calls of a template need more stack than a thread of the caller may have left.
const STACK_BYTES: usize = 16 << 20;

/// What the allocator and the waiting thread share. `stop` is set by either: no more allocations.
#[derive(Default)]
struct Shared {
    over_budget: AtomicBool,
    stop: AtomicBool,
}

struct Meter {
    /// Null outside of `run`.
    shared: Cell<*const Shared>,
    held: Cell<isize>,
    asked: Cell<isize>,
}

thread_local! {
    static METER: Meter = const {
        Meter { shared: Cell::new(std::ptr::null()), held: Cell::new(0), asked: Cell::new(0) }
    };
}

pub struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

impl Counting {
    fn count(grown: isize) {
        // Fails only while the thread ends, when nothing is measured any more.
        let _ = METER.try_with(|m| {
            let shared = m.shared.get();
            if shared.is_null() {
                return;
            }
            m.held.set(m.held.get() + grown);
            m.asked.set(m.asked.get() + grown.max(0));
            // SAFETY: `run` keeps the Arc alive for as long as its thread lives.
            let shared = unsafe { &*shared };
            if m.held.get() > MAX_HELD || m.asked.get() > MAX_ASKED {
                shared.over_budget.store(true, Ordering::Release);
                shared.stop.store(true, Ordering::Release);
            }
            if grown > 0 && shared.stop.load(Ordering::Acquire) {
                loop {
                    std::thread::sleep(Duration::from_secs(3600));
                }
            }
        });
    }
}

// SAFETY: the system's allocator does the work; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size() as isize);
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size() as isize);
        System.alloc_zeroed(layout)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        Self::count(-(layout.size() as isize));
        System.dealloc(ptr, layout);
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count(size as isize - layout.size() as isize);
        System.realloc(ptr, layout, size)
    }
}

/// How often a template went beyond its budget.
#[derive(Default)]
pub struct Strikes(AtomicUsize);

impl Strikes {
    /// An error when there were so many that the template is not run any more.
    fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Acquire) < MAX_STRIKES {
            return Ok(());
        }
        Err(TextError::limit(format!(
            "the chat template went beyond its limits of memory ({} MB) or time ({MAX_SECONDS} \
             seconds) {MAX_STRIKES} times and is not run any more",
            MAX_HELD >> 20
        )))
    }

    fn count(&self, message: String) -> TextError {
        self.0.fetch_add(1, Ordering::AcqRel);
        TextError::limit(message)
    }
}

/// What the thread has run on a processor. Nothing when it has just ended.
fn processor_time<T>(thread: &JoinHandle<T>) -> Option<Duration> {
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a thread whose handle is held can be asked for, also when it has ended.
    let known = unsafe {
        libc::pthread_getcpuclockid(thread.as_pthread_t(), &mut clock) == 0
            && libc::clock_gettime(clock, &mut time) == 0
    };
    known.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Runs `work` on a thread of its own within the budget. Going beyond it counts as a strike; with
/// too many of them work is not begun.
pub fn run<T: Send + 'static>(
    strikes: &Strikes,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    strikes.check()?;
    let shared = Arc::new(Shared::default());
    let (sender, receiver) = channel();
    let of_thread = shared.clone();
    let thread = std::thread::Builder::new()
        .name("template".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            METER.with(|m| m.shared.set(Arc::as_ptr(&of_thread)));
            let result = caught(work);
            METER.with(|m| m.shared.set(std::ptr::null()));
            let _ = sender.send(result);
        })
        .map_err(|e| TextError::new(Kind::Internal, format!("no thread for a template: {e}")))?;
    loop {
        match receiver.recv_timeout(Duration::from_millis(20)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(TextError::new(Kind::Internal, "a template's thread ended early"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if shared.over_budget.load(Ordering::Acquire) {
            let megabytes = MAX_HELD >> 20;
            return Err(strikes
                .count(format!("the chat template needs more than {megabytes} MB of memory")));
        }
        if processor_time(&thread).is_some_and(|t| t.as_secs() >= MAX_SECONDS) {
            shared.stop.store(true, Ordering::Release);
            return Err(
                strikes.count(format!("the chat template took more than {MAX_SECONDS} seconds"))
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_large(strikes: &Strikes) -> String {
        let work = || Ok(vec![0u8; MAX_HELD as usize + 1].len());
        run(strikes, work).expect_err("beyond the budget").message
    }

    #[test]
    fn one_strike_ends_no_template() {
        let strikes = Strikes::default();
        for _ in 0..MAX_STRIKES {
            assert_eq!(run(&strikes, || Ok(7)).ok(), Some(7));
            assert!(too_large(&strikes).contains("MB of memory"));
        }
        assert!(run(&strikes, || Ok(7)).is_err_and(|e| e.message.contains("is not run any more")));
    }

    #[test]
    fn waiting_is_no_work() {
        let thread = std::thread::spawn(|| std::thread::sleep(Duration::from_millis(400)));
        std::thread::sleep(Duration::from_millis(300));
        assert!(processor_time(&thread).is_none_or(|t| t < Duration::from_millis(100)));
        thread.join().expect("it only slept");
    }
}
