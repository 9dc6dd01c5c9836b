//! Whether a call ended because nothing listened where it went. Such a call was never sent, and nobody serves there.

use std::{error::Error, io, iter};

/// Walks the causes of an error; libraries keep the one that tells at the end.
pub fn is_refused(error: &(dyn Error + 'static)) -> bool {
    iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
