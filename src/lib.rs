//! isonomy
