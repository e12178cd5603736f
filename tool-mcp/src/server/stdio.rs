//! Stdin and stdout for the protocol alone.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Stdin and stdout. What else the process writes to stdout goes to stderr from here on, and what
/// else reads stdin finds it empty: a line that a library prints is not a message, and one that a
/// child process reads would be missing.
#[cfg(unix)]
pub(super) fn take() -> io::Result<(Reader, Writer)> {
    use std::fs::File;
    use std::os::fd::AsFd;
    use tokio::net::unix::pipe;

    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    // A pipe is opened again, since non-blocking mode would affect other processes that share it.
    // If it is not a pipe, or the system has no such path, threads do the reading and writing.
    let reader: Reader = match pipe::OpenOptions::new().open_receiver("/proc/self/fd/0") {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(tokio::fs::File::from_std(File::from(input))),
    };
    let writer: Writer = match pipe::OpenOptions::new().open_sender("/proc/self/fd/1") {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(tokio::fs::File::from_std(File::from(output))),
    };
    rustix::stdio::dup2_stdout(io::stderr())?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok((reader, writer))
}

#[cfg(not(unix))]
pub(super) fn take() -> io::Result<(Reader, Writer)> {
    Ok((Box::new(tokio::io::stdin()), Box::new(tokio::io::stdout())))
}
