//! The standard streams, as other programs leave them to us: non-blocking perhaps, closed, or
//! with nobody at the other end.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::printable::Printable;

/// A file that is waited for where it is non-blocking: whoever shares it with us may have made it
/// so, and then a full pipe, or an empty one, is no error.
pub struct Waiting(File);

impl Waiting {
    /// Takes a file, which may be non-blocking.
    pub fn new(file: File) -> Self {
        Self(file)
    }

    /// Stdin, read unbuffered.
    pub fn stdin() -> io::Result<Self> {
        Ok(Self(File::from(io::stdin().as_fd().try_clone_to_owned()?)))
    }

    /// Stdout, written unbuffered.
    pub fn stdout() -> io::Result<Self> {
        Ok(Self(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }

    fn stderr() -> io::Result<Self> {
        Ok(Self(File::from(io::stderr().as_fd().try_clone_to_owned()?)))
    }

    /// Whether it is a regular file, whose next bytes are there or will never be.
    pub fn is_file(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.is_file())
    }

    fn carry_on<T>(
        &self,
        until: PollFlags,
        mut work: impl FnMut(&File) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match work(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_for(self.0.as_fd(), until)?;
                }
                done => return done,
            }
        }
    }
}

impl Read for Waiting {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.carry_on(PollFlags::POLLIN, |mut file| file.read(buf))
    }
}

impl Write for Waiting {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.carry_on(PollFlags::POLLOUT, |mut file| file.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wait_for(file: BorrowedFd<'_>, until: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(file, until)], PollTimeout::NONE) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Bytes of a report that are gathered before they are written.
const REPORT_BYTES: usize = 64 * 1024;

/// Writes a report to stdout, in which no control character of a name or a record reaches a
/// terminal.
pub fn report<E: From<io::Error>>(
    write: impl FnOnce(&mut Printable<BufWriter<Waiting>>) -> Result<(), E>,
) -> Result<(), E> {
    let stdout = BufWriter::with_capacity(REPORT_BYTES, Waiting::stdout()?);
    let mut out = Printable::new(stdout);
    let written = write(&mut out);
    // Whatever happened, what was found before it is told.
    let flushed = out.flush();
    written.and(flushed.map_err(E::from))
}

/// Writes a line to stderr. Where it is closed there is nobody to tell.
pub fn tell(line: &str) {
    let told = Waiting::stderr().and_then(|mut stderr| writeln!(stderr, "{line}"));
    drop(told);
}

/// Whether whoever read our stdout has gone away.
pub fn nobody_reads() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
    let answered = poll(&mut asked, PollTimeout::ZERO).is_ok();
    answered && asked.iter().filter_map(PollFd::revents).any(|told| told.intersects(gone))
}

/// Whether stdout was closed when the program began, as by `>&-`.
///
/// By now it leads to `/dev/null` all the same: Rust opens that for reading and writing in the
/// place of a standard stream that is closed. A shell's `>/dev/null` is opened for writing alone.
/// Whoever leads us there for both looks the same; that is why only they ask who would do harm.
pub fn is_closed() -> bool {
    let stdout = io::stdout();
    let Ok(copy) = stdout.as_fd().try_clone_to_owned() else { return true };
    let file = File::from(copy);
    let null = std::fs::metadata("/dev/null").map(|null| null.rdev());
    let leads_to_null = file.metadata().is_ok_and(|found| {
        found.file_type().is_char_device() && null.is_ok_and(|null| null == found.rdev())
    });
    // What can be read, too, was not opened by a shell to be written.
    leads_to_null && (&file).read(&mut [0]).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::net::UnixStream;

    /// Field report B7: half of the output, exit 74, where another process had made the
    /// stream non-blocking.
    #[test]
    fn a_full_or_empty_stream_is_waited_for() {
        let (near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut near = Waiting::new(File::from(std::os::fd::OwnedFd::from(near)));
        let sent = vec![7; 4 << 20];
        let read = std::thread::spawn(move || {
            let mut got = vec![0; 4 << 20];
            far.read_exact(&mut got).unwrap();
            far.write_all(b"done").unwrap();
            got
        });
        near.write_all(&sent).unwrap();
        let mut answer = [0; 4];
        near.read_exact(&mut answer).unwrap();
        assert_eq!((read.join().unwrap() == sent, &answer), (true, b"done"));
    }
}
