//! Preloaded into the writer: takes note of all it does to files below one directory, in order.
//!
//! Not a part of the test's program: the test has it built by `rustc` as a library of its own, because it replaces functions
//! of the C library. Syncs are noted and not done. `sync_file_range` is no sync and is left alone.

#[macro_use]
#[path = "../../src/chaos/shim/real.rs"]
mod real;

use std::{
    collections::BTreeMap,
    ffi::{CStr, c_char, c_int, c_long, c_uint, c_void},
    sync::{Mutex, MutexGuard, OnceLock},
};

unsafe extern "C" {
    fn lseek64(file: c_int, offset: i64, whence: c_int) -> i64;
}

const OPEN: u8 = 1;
const WRITE: u8 = 2;
const TRUNCATE: u8 = 3;
const FSYNC: u8 = 4;
const FDATASYNC: u8 = 5;
const RENAME: u8 = 6;
const UNLINK: u8 = 7;

const WRITE_ONLY_CREATE_APPEND: c_int = 0o1 | 0o100 | 0o2000;

struct Notes {
    root: String,
    out: c_int,
    open: BTreeMap<c_int, u64>,
    opened: u64,
}

static NOTES: OnceLock<Mutex<Notes>> = OnceLock::new();

type Open = unsafe extern "C" fn(*const c_char, c_int, c_uint) -> c_int;
type Write = unsafe extern "C" fn(c_int, *const c_void, usize) -> isize;

fn notes() -> MutexGuard<'static, Notes> {
    let notes = NOTES.get_or_init(|| {
        let root = std::env::var("SHIM_ROOT").unwrap_or_else(|_| "\0".into());
        let path = std::env::var("SHIM_TRACE").unwrap_or_else(|_| "/dev/null".into()) + "\0";
        let out = unsafe { real!(c"open64", Open)(path.as_ptr().cast(), WRITE_ONLY_CREATE_APPEND, 0o600) };
        Mutex::new(Notes { root, out, open: BTreeMap::new(), opened: 0 })
    });
    notes.lock().expect("nothing here panics")
}

impl Notes {
    fn note(&self, what: u8, a: u64, b: u64, data: &[u8]) {
        let mut bytes = vec![what];
        bytes.extend(a.to_le_bytes());
        bytes.extend(b.to_le_bytes());
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        let written = unsafe { real!(c"write", Write)(self.out, bytes.as_ptr().cast(), bytes.len()) };
        assert_eq!(written, bytes.len() as isize, "the trace is written");
    }

    fn path(&self, path: *const c_char) -> Option<String> {
        let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
        path.starts_with(&self.root).then(|| path.to_owned())
    }

    fn opened(&mut self, file: c_int, path: *const c_char, flags: c_int) -> c_int {
        if file >= 0 {
            self.open.remove(&file);
            if let Some(path) = self.path(path) {
                self.opened += 1;
                self.open.insert(file, self.opened);
                self.note(OPEN, self.opened, flags as u64, path.as_bytes());
            }
        }
        file
    }

    fn wrote(&self, file: c_int, at: i64, bytes: *const c_void, written: isize) {
        if let (Some(file), Ok(length @ 1..)) = (self.open.get(&file), usize::try_from(written)) {
            let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
            self.note(WRITE, *file, at as u64, bytes);
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let mut notes = notes();
    let file = unsafe { real!(c"open", Open)(path, flags, mode) };
    notes.opened(file, path, flags)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let mut notes = notes();
    let file = unsafe { real!(c"open64", Open)(path, flags, mode) };
    notes.opened(file, path, flags)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(file: c_int) -> c_int {
    let mut notes = notes();
    notes.open.remove(&file);
    unsafe { real!(c"close", unsafe extern "C" fn(c_int) -> c_int)(file) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(file: c_int, bytes: *const c_void, length: usize) -> isize {
    let notes = notes();
    let at = if notes.open.contains_key(&file) { unsafe { lseek64(file, 0, 1) } } else { 0 };
    let written = unsafe { real!(c"write", Write)(file, bytes, length) };
    notes.wrote(file, at, bytes, written);
    written
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(file: c_int, bytes: *const c_void, length: usize, at: c_long) -> isize {
    let notes = notes();
    type Real = unsafe extern "C" fn(c_int, *const c_void, usize, c_long) -> isize;
    let written = unsafe { real!(c"pwrite64", Real)(file, bytes, length, at) };
    notes.wrote(file, at, bytes, written);
    written
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(file: c_int, length: c_long) -> c_int {
    let notes = notes();
    if let Some(file) = notes.open.get(&file) {
        notes.note(TRUNCATE, *file, length as u64, &[]);
    }
    unsafe { real!(c"ftruncate64", unsafe extern "C" fn(c_int, c_long) -> c_int)(file, length) }
}

fn synced(what: u8, file: c_int) -> c_int {
    let notes = notes();
    if let Some(file) = notes.open.get(&file) {
        notes.note(what, *file, 0, &[]);
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(file: c_int) -> c_int {
    synced(FSYNC, file)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(file: c_int) -> c_int {
    synced(FDATASYNC, file)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let notes = notes();
    let done = unsafe { real!(c"rename", unsafe extern "C" fn(*const c_char, *const c_char) -> c_int)(from, to) };
    if let (0, Some(from), Some(to)) = (done, notes.path(from), notes.path(to)) {
        notes.note(RENAME, from.len() as u64, 0, (from + &to).as_bytes());
    }
    done
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let notes = notes();
    let done = unsafe { real!(c"unlink", unsafe extern "C" fn(*const c_char) -> c_int)(path) };
    if let (0, Some(path)) = (done, notes.path(path)) {
        notes.note(UNLINK, 0, 0, path.as_bytes());
    }
    done
}
