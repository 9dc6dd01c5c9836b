//! Not a part of the program: see `shim.rs`. What goes wrong stands in a page: what, how much, and how often it did.

#[macro_use]
mod real;

use std::{
    ffi::{c_int, c_long, c_void},
    sync::{
        OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

const FULL: i64 = 1;
const SYNC: i64 = 2;
const CLOCK: i64 = 3;
const EIO: c_int = 5;
const ENOSPC: c_int = 28;
const WALL: c_int = 0;

#[repr(C)]
struct Page {
    what: AtomicI64,
    how: AtomicI64,
    times: AtomicU64,
}

#[repr(C)]
pub struct Time {
    seconds: i64,
    nanos: c_long,
}

unsafe extern "C" {
    fn mmap(at: *mut c_void, length: usize, access: c_int, how: c_int, file: c_int, from: i64) -> *mut c_void;
    fn __errno_location() -> *mut c_int;
}

fn page() -> Option<&'static Page> {
    use std::os::fd::AsRawFd;
    static PAGE: OnceLock<usize> = OnceLock::new();
    let at = *PAGE.get_or_init(|| {
        let path = std::env::var_os("CHAOS_PAGE").unwrap_or_default();
        let Ok(file) = std::fs::File::options().read(true).write(true).open(path) else { return 0 };
        // To be read and written, and shared.
        let at = unsafe { mmap(std::ptr::null_mut(), size_of::<Page>(), 3, 1, file.as_raw_fd(), 0) } as usize;
        if at == usize::MAX { 0 } else { at }
    });
    unsafe { (at as *const Page).as_ref() }
}

/// Whether something of this kind fails for this file; `errno` says why then.
fn fails(what: i64, why: c_int, file: c_int) -> bool {
    let Some(page) = page().filter(|page| page.what.load(Relaxed) == what) else { return false };
    let before = unsafe { *__errno_location() };
    let path = std::fs::read_link(format!("/proc/self/fd/{file}")).unwrap_or_default();
    let fails = std::env::var_os("CHAOS_ROOT").is_some_and(|root| path.starts_with(root));
    unsafe { *__errno_location() = if fails { why } else { before } };
    page.times.fetch_add(u64::from(fails), Relaxed);
    fails
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Time) -> c_int {
    type Real = unsafe extern "C" fn(c_int, *mut Time) -> c_int;
    let result = unsafe { real!(c"clock_gettime", Real)(clock, time) };
    if clock == WALL
        && let Some(page) = page().filter(|page| page.what.load(Relaxed) == CLOCK)
    {
        unsafe { (*time).seconds += page.how.load(Relaxed) };
        page.times.fetch_add(1, Relaxed);
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(file: c_int, bytes: *const c_void, length: usize) -> isize {
    type Real = unsafe extern "C" fn(c_int, *const c_void, usize) -> isize;
    if fails(FULL, ENOSPC, file) { -1 } else { unsafe { real!(c"write", Real)(file, bytes, length) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(file: c_int, bytes: *const c_void, length: usize, at: c_long) -> isize {
    type Real = unsafe extern "C" fn(c_int, *const c_void, usize, c_long) -> isize;
    if fails(FULL, ENOSPC, file) { -1 } else { unsafe { real!(c"pwrite64", Real)(file, bytes, length, at) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(file: c_int, length: c_long) -> c_int {
    type Real = unsafe extern "C" fn(c_int, c_long) -> c_int;
    if fails(FULL, ENOSPC, file) { -1 } else { unsafe { real!(c"ftruncate64", Real)(file, length) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(file: c_int) -> c_int {
    type Real = unsafe extern "C" fn(c_int) -> c_int;
    if fails(SYNC, EIO, file) { -1 } else { unsafe { real!(c"fsync", Real)(file) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(file: c_int) -> c_int {
    type Real = unsafe extern "C" fn(c_int) -> c_int;
    if fails(SYNC, EIO, file) { -1 } else { unsafe { real!(c"fdatasync", Real)(file) } }
}
