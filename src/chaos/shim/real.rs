//! For libraries that stand before the C library: the functions behind theirs.

use std::ffi::{c_char, c_void};

unsafe extern "C" {
    pub fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The function of the C library that one here stands before.
macro_rules! real {
    ($name:literal, $type:ty) => {{
        static REAL: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        let next = std::ptr::without_provenance_mut(usize::MAX);
        let address = *REAL.get_or_init(|| unsafe { real::dlsym(next, $name.as_ptr()) } as usize);
        unsafe { std::mem::transmute::<usize, $type>(address) }
    }};
}
