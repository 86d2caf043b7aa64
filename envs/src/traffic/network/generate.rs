//! Networks that need no file.
