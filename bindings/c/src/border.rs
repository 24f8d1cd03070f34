//! Where C ends: handles, panics, and what went wrong last.

use std::cell::{RefCell, UnsafeCell};
use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use puro_shared::{Blame, Code, Trouble};

/// What went wrong.
#[repr(C)]
pub struct Error {
    /// What the call answered.
    pub code: Code,
    /// Whose matter it is.
    pub blame: Blame,
    /// What, where, and why; UTF-8.
    pub message: *const c_char,
    /// What to do about it; UTF-8.
    pub way_out: *const c_char,
    /// Whether records were appended: 1 yes, 0 no, -1 nobody knows.
    pub was_appended: i32,
}

struct Kept {
    error: Error,
    // What `error` points to.
    _message: CString,
    _way_out: CString,
}

thread_local! {
    static LAST: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// What went wrong in the last call of this thread that failed; NULL if none did. It lasts until
/// the next one that fails.
#[unsafe(no_mangle)]
pub extern "C" fn puro_last_error() -> *const Error {
    let look = |last: &RefCell<Option<Kept>>| {
        last.borrow().as_ref().map_or(ptr::null(), |kept| ptr::from_ref(&kept.error))
    };
    // The thread may be ending.
    LAST.try_with(look).unwrap_or(ptr::null())
}

fn keep(trouble: Trouble) -> Code {
    let text = |text: &str| CString::new(text.replace('\0', "\\0")).unwrap_or_default();
    let (message, way_out) = (text(&trouble.message), text(trouble.code.way_out()));
    let error = Error {
        code: trouble.code,
        blame: trouble.code.blame(),
        message: message.as_ptr(),
        way_out: way_out.as_ptr(),
        was_appended: trouble.was_appended.map_or(-1, i32::from),
    };
    let kept = Kept { error, _message: message, _way_out: way_out };
    let _ = LAST.try_with(|last| last.replace(Some(kept)));
    trouble.code
}

/// Runs what a function does, and answers its code. What went wrong is kept for
/// `puro_last_error`; a panic ends here.
pub fn answer(work: impl FnOnce() -> Result<Code, Trouble>) -> Code {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(code)) => code,
        Ok(Err(trouble)) => keep(trouble),
        Err(caught) => keep(Trouble::panic(caught.as_ref())),
    }
}

/// What C has a pointer to: a value, with what it takes to refuse every wrong use but that of freed
/// memory.
pub struct Handle<T> {
    /// The process that opened it.
    owner: u32,
    /// Whether a thread is inside.
    entered: AtomicBool,
    /// `None` once it is closed.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: `value` is reached by `enter` alone, which lets in one thread at a time.
unsafe impl<T: Send> Sync for Handle<T> {}

impl<T> Handle<T> {
    /// Gives a new handle to C.
    pub fn give(value: T, out: &mut *mut Self) {
        let (owner, entered) = (std::process::id(), AtomicBool::new(false));
        let value = UnsafeCell::new(Some(value));
        *out = Box::into_raw(Box::new(Self { owner, entered, value }));
    }

    /// Enters a handle for one call.
    ///
    /// # Safety
    /// `handle` is null, or was given and is not freed.
    pub unsafe fn enter<'a>(handle: *mut Self) -> Result<Entered<'a, T>, Trouble> {
        // SAFETY: as the caller promises.
        let handle = unsafe { handle.as_ref() }.ok_or_else(|| is_null("the handle"))?;
        if handle.owner != std::process::id() {
            let message = format!(
                "this handle belongs to another process ({}); open the stream again after a fork",
                handle.owner
            );
            return Err(Trouble::new(Code::Forked, message));
        }
        if handle.entered.swap(true, Ordering::Acquire) {
            return Err(Trouble::misuse(
                "another thread is using this handle, or it was given twice in one call; \
                 let each thread open its own",
            ));
        }
        let entered = Entered { handle };
        if entered.slot().is_none() {
            return Err(Trouble::misuse("this handle is closed"));
        }
        Ok(entered)
    }

    /// Takes back a handle, without a word of what it held.
    ///
    /// # Safety
    /// As `enter`; and no thread uses it from now on.
    pub unsafe fn free(handle: *mut Self) {
        if !handle.is_null() {
            // SAFETY: as the caller promises, it came from `give`.
            let handle = unsafe { Box::from_raw(handle) };
            answer(|| {
                drop(handle);
                Ok(Code::Ok)
            });
        }
    }
}

/// A handle with one thread inside.
pub struct Entered<'a, T> {
    handle: &'a Handle<T>,
}

impl<T> Entered<'_, T> {
    #[expect(clippy::mut_from_ref, reason = "private, and one call at a time")]
    fn slot(&self) -> &mut Option<T> {
        // SAFETY: `entered` was ours to take, so no other thread is here; each caller below
        // borrows all of `self` for as long as it holds the reference.
        unsafe { &mut *self.handle.value.get() }
    }

    /// The value.
    pub fn value(&mut self) -> Result<&mut T, Trouble> {
        self.slot().as_mut().ok_or_else(|| Trouble::misuse("this handle is closed"))
    }

    /// Takes the value out: from now on the handle is closed.
    pub fn close(self) -> Option<T> {
        self.slot().take()
    }
}

impl<T> Drop for Entered<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody knows in which state it is: not even to be dropped.
            std::mem::forget(self.slot().take());
        }
        self.handle.entered.store(false, Ordering::Release);
    }
}

/// A pointer that must not be null.
pub fn is_null(what: &str) -> Trouble {
    Trouble::misuse(format!("{what} is NULL"))
}

/// What a pointer of C leads to.
///
/// # Safety
/// `pointer` is null, or leads to a valid value for the time of the call.
pub unsafe fn given<'a, T>(pointer: *const T, what: &str) -> Result<&'a T, Trouble> {
    // SAFETY: as the caller promises.
    unsafe { pointer.as_ref() }.ok_or_else(|| is_null(what))
}

/// Where a result is to go.
///
/// # Safety
/// As `given`; and nobody else uses the place meanwhile.
pub unsafe fn place<'a, T>(pointer: *mut T, what: &str) -> Result<&'a mut T, Trouble> {
    // SAFETY: as the caller promises.
    unsafe { pointer.as_mut() }.ok_or_else(|| is_null(what))
}

/// A text.
///
/// # Safety
/// `text` is null, or ends with a zero.
pub unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Trouble> {
    // SAFETY: as the caller promises.
    let text = unsafe { c_string(text, what) }?;
    text.to_str().map_err(|_| Trouble::misuse(format!("{what} is not UTF-8")))
}

/// A path: any bytes.
///
/// # Safety
/// As `text`.
pub unsafe fn path<'a>(path: *const c_char, what: &str) -> Result<&'a Path, Trouble> {
    // SAFETY: as the caller promises.
    let path = unsafe { c_string(path, what) }?;
    Ok(Path::new(OsStr::from_bytes(path.to_bytes())))
}

unsafe fn c_string<'a>(text: *const c_char, what: &str) -> Result<&'a CStr, Trouble> {
    if text.is_null() {
        return Err(is_null(what));
    }
    // SAFETY: as the callers' callers promise.
    Ok(unsafe { CStr::from_ptr(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fault in Puro came while a program in C appended. It was told, and the program went on; the
    /// handle, of which nobody knows how it was left, answers no more.
    #[test]
    fn a_panic_ends_at_the_border_and_closes_the_handle() {
        let mut handle = ptr::null_mut();
        Handle::give(7, &mut handle);
        // SAFETY: it was given, and is freed below.
        let enter = || unsafe { Handle::enter(handle) };
        let code = answer(|| {
            let _entered = enter()?;
            panic!("a fault \0 of a test");
        });
        assert_eq!(code, Code::Panic);
        // SAFETY: it lasts until the next call that fails.
        let error = unsafe { &*puro_last_error() };
        // SAFETY: the same.
        let message = unsafe { CStr::from_ptr(error.message) };
        assert_eq!(message.to_str(), Ok("a fault in Puro: a fault \\0 of a test"));
        assert_eq!((error.blame, error.was_appended), (Blame::Puro, -1));
        assert_eq!(enter().err().map(|trouble| trouble.code), Some(Code::Misuse));
        // SAFETY: nobody uses it any more.
        unsafe { Handle::free(handle) };
    }

    /// Two threads used one handle at once.
    #[test]
    fn a_second_one_is_kept_out() {
        let mut handle = ptr::null_mut();
        Handle::give(7, &mut handle);
        // SAFETY: it was given, and is freed below.
        let enter = || unsafe { Handle::enter(handle) };
        let first = enter();
        assert!(first.is_ok());
        assert_eq!(enter().err().map(|trouble| trouble.code), Some(Code::Misuse));
        drop(first);
        assert!(enter().is_ok_and(|mut entered| entered.value().is_ok_and(|value| *value == 7)));
        // SAFETY: nobody uses it any more.
        unsafe { Handle::free(handle) };
    }
}
