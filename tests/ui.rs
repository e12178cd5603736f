//! Starts the compile-fail and compile-pass cases.
