//! The C side of include/textkit.h. Every function catches panics and turns them into a status;
//! nothing here does more than convert.

use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

use crate::error::{Kind, Result, TextError};

pub type Status = i32;

/// Text or bytes of the caller, borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TkText {
    pub ptr: *const u8,
    pub len: usize,
}

/// Bytes of ours that the caller frees with tk_buffer_free.
#[repr(C)]
pub struct TkBuffer {
    pub ptr: *mut u8,
    pub len: usize,
}

/// Ids of ours that the caller frees with tk_ids_free.
#[repr(C)]
pub struct TkIds {
    pub ptr: *mut u32,
    pub len: usize,
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics are reported through the status, not on standard error.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            // The message alone: the place names folders of the machine that built this.
            let payload = info.payload();
            let text = match payload.downcast_ref::<String>() {
                Some(text) => text.clone(),
                None => payload.downcast_ref::<&str>().copied().unwrap_or("it panicked").to_owned(),
            };
            PANIC.with(|p| {
                if let Ok(mut p) = p.try_borrow_mut() {
                    *p = text;
                }
            });
        }));
    });
}

/// Runs `f`; a panic becomes an error.
pub(crate) fn caught<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    quiet_panics();
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
        let text = PANIC.with(|p| p.try_borrow_mut().map(|mut p| std::mem::take(&mut *p)));
        let text = text.unwrap_or_default().replace('\n', " ");
        Err(TextError::new(Kind::Internal, format!("a library failed: {text}")))
    })
}

/// Runs `f`; an error or panic goes to `error` (which may be null).
pub(crate) fn guard(error: *mut TkBuffer, f: impl FnOnce() -> Result<()>) -> Status {
    match caught(f) {
        Ok(()) => 0,
        Err(e) => {
            if !error.is_null() {
                // SAFETY: the caller gives a valid pointer or null.
                unsafe { give(error, e.message.into_bytes()) };
            }
            e.kind as Status
        }
    }
}

/// SAFETY: `out` is valid for a write.
pub(crate) unsafe fn give(out: *mut TkBuffer, bytes: Vec<u8>) {
    let boxed = bytes.into_boxed_slice();
    let len = boxed.len();
    let ptr = if len == 0 { std::ptr::null_mut() } else { Box::into_raw(boxed).cast::<u8>() };
    out.write(TkBuffer { ptr, len });
}

/// SAFETY: `out` is valid for a write.
pub(crate) unsafe fn give_ids(out: *mut TkIds, ids: Vec<u32>) {
    let boxed = ids.into_boxed_slice();
    let len = boxed.len();
    let ptr = if len == 0 { std::ptr::null_mut() } else { Box::into_raw(boxed).cast::<u32>() };
    out.write(TkIds { ptr, len });
}

/// SAFETY: `ptr` and `len` describe readable memory, or len is 0.
pub(crate) unsafe fn slice<'a, T>(ptr: *const T, len: usize) -> &'a [T] {
    if len == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(ptr, len)
    }
}

impl TkText {
    /// SAFETY: the text is readable for the call.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        slice(self.ptr, self.len)
    }

    /// SAFETY: the text is readable for the call.
    pub(crate) unsafe fn text<'a>(self, what: &str) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()).map_err(|e| {
            TextError::invalid(format!("{what} is not UTF-8: bad byte at {}", e.valid_up_to()))
        })
    }
}

/// SAFETY: the pointer came from this library and was not freed yet, or is null.
pub(crate) unsafe fn free<T>(ptr: *mut T) {
    if !ptr.is_null() {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(Box::from_raw(ptr))));
    }
}

/// Frees a buffer and empties it.
///
/// # Safety
/// `buffer` points to a buffer that this library filled, or to an empty one.
#[no_mangle]
pub unsafe extern "C" fn tk_buffer_free(buffer: *mut TkBuffer) {
    let b = &mut *buffer;
    if !b.ptr.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(b.ptr, b.len)));
    }
    (b.ptr, b.len) = (std::ptr::null_mut(), 0);
}

/// Frees ids and empties them.
///
/// # Safety
/// `ids` points to ids that this library filled, or to empty ones.
#[no_mangle]
pub unsafe extern "C" fn tk_ids_free(ids: *mut TkIds) {
    let b = &mut *ids;
    if !b.ptr.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(b.ptr, b.len)));
    }
    (b.ptr, b.len) = (std::ptr::null_mut(), 0);
}
