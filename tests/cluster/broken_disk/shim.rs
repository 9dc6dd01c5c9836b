//! Preloaded into a node: its disk breaks below one directory while a file says how.
//!
//! Not a part of the test's program, as `tests/power_cut/shim.rs`. `full` in the file: what would take space is refused;
//! `sync`: what was written cannot be made durable.

#[macro_use]
#[path = "../../support/preload/real.rs"]
mod real;

use std::ffi::{c_int, c_long, c_void};

const EIO: c_int = 5;
const ENOSPC: c_int = 28;

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
}

/// Whether something of this kind fails for this file; `errno` says why then.
fn fails(kind: &str, why: c_int, file: c_int) -> bool {
    // What is asked of the system here must not be taken for what the call says.
    let before = unsafe { *__errno_location() };
    let fails = is_broken(kind, file).is_some();
    unsafe { *__errno_location() = if fails { why } else { before } };
    fails
}

fn is_broken(kind: &str, file: c_int) -> Option<()> {
    let how = std::fs::read_to_string(std::env::var_os("SHIM_FAULT")?).ok()?;
    let path = std::fs::read_link(format!("/proc/self/fd/{file}")).ok()?;
    (how == kind && path.starts_with(std::env::var_os("SHIM_ROOT")?)).then_some(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(file: c_int, bytes: *const c_void, length: usize) -> isize {
    type Real = unsafe extern "C" fn(c_int, *const c_void, usize) -> isize;
    if fails("full", ENOSPC, file) { -1 } else { unsafe { real!(c"write", Real)(file, bytes, length) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(file: c_int, bytes: *const c_void, length: usize, at: c_long) -> isize {
    type Real = unsafe extern "C" fn(c_int, *const c_void, usize, c_long) -> isize;
    if fails("full", ENOSPC, file) { -1 } else { unsafe { real!(c"pwrite64", Real)(file, bytes, length, at) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(file: c_int, length: c_long) -> c_int {
    type Real = unsafe extern "C" fn(c_int, c_long) -> c_int;
    if fails("full", ENOSPC, file) { -1 } else { unsafe { real!(c"ftruncate64", Real)(file, length) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(file: c_int) -> c_int {
    type Real = unsafe extern "C" fn(c_int) -> c_int;
    if fails("sync", EIO, file) { -1 } else { unsafe { real!(c"fsync", Real)(file) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(file: c_int) -> c_int {
    type Real = unsafe extern "C" fn(c_int) -> c_int;
    if fails("sync", EIO, file) { -1 } else { unsafe { real!(c"fdatasync", Real)(file) } }
}
