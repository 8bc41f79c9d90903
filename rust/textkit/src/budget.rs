//! A limit on the memory and time of a template.
//!
//! A template can double a string forty times in forty steps, and Rust ends the process when memory
//! runs out. So a rendering runs on a thread of its own, whose allocations are counted; the one that
//! would go over the budget never returns: the thread sleeps for good, and whoever waits for it is
//! told. That keeps at most one budget of memory per such template, which is not run again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Kind, Result, TextError};
use crate::ffi::caught;

/// Bytes that a rendering may hold at once, and may ask for altogether (which bounds its time too).
const MAX_HELD: isize = 512 << 20;
const MAX_ASKED: isize = 4 << 30;
const MAX_SECONDS: u64 = 30;
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

fn over_memory() -> TextError {
    TextError::limit(format!("the chat template needs more than {} MB of memory", MAX_HELD >> 20))
}

/// Runs `work` on a thread of its own within the budget. `spent` is set when the budget was
/// exceeded; work that finds it set is not begun.
pub fn run<T: Send + 'static>(
    spent: &AtomicBool,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if spent.load(Ordering::Acquire) {
        return Err(over_memory());
    }
    let shared = Arc::new(Shared::default());
    let (sender, receiver) = channel();
    let of_thread = shared.clone();
    std::thread::Builder::new()
        .name("template".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            METER.with(|m| m.shared.set(Arc::as_ptr(&of_thread)));
            let result = caught(work);
            METER.with(|m| m.shared.set(std::ptr::null()));
            let _ = sender.send(result);
        })
        .map_err(|e| TextError::new(Kind::Internal, format!("no thread for a template: {e}")))?;
    let deadline = Instant::now() + Duration::from_secs(MAX_SECONDS);
    loop {
        match receiver.recv_timeout(Duration::from_millis(20)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(TextError::new(Kind::Internal, "a template's thread ended early"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if shared.over_budget.load(Ordering::Acquire) {
            spent.store(true, Ordering::Release);
            return Err(over_memory());
        }
        if Instant::now() > deadline {
            shared.stop.store(true, Ordering::Release);
            spent.store(true, Ordering::Release);
            return Err(TextError::limit(format!(
                "the chat template took more than {MAX_SECONDS} seconds"
            )));
        }
    }
}
