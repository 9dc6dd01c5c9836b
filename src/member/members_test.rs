//! What becomes of members that are heard, missed and met again.
