//! Listening in the file system: a socket's file, whose it is, and what becomes
//! of one that somebody else left there.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{chown, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, SockAddr, Socket, Type};

use super::listen::BACKLOG;

/// Who may connect to a socket: whoever may write to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    /// The file's mode.
    pub mode: u32,
    /// Its owner; none for the gate's own user.
    pub owner: Option<u32>,
    /// Its group; none for the gate's own.
    pub group: Option<u32>,
}

/// The file of a socket, to be known again: a path may be somebody else's by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFile {
    path: Arc<Path>,
    device: u64,
    inode: u64,
    /// When it was made, which tells it from another one that got its number.
    made: (i64, i64),
}

impl SocketFile {
    /// The socket at `path`; none where there is nothing, or something else.
    ///
    /// # Errors
    /// If it cannot be looked at.
    pub fn at(path: &Arc<Path>) -> io::Result<Option<Self>> {
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(found.file_type().is_socket().then(|| Self {
            path: Arc::clone(path),
            device: found.dev(),
            inode: found.ino(),
            made: (found.mtime(), found.mtime_nsec()),
        }))
    }

    /// Takes the file away, unless it is another one by now.
    ///
    /// # Errors
    /// If it cannot be taken away.
    pub fn remove(&self) -> io::Result<()> {
        match Self::at(&self.path)? {
            Some(found) if found == *self => fs::remove_file(&self.path),
            _ => Ok(()),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Listens at `path`, in the place of a socket on which nobody listens any more.
///
/// # Errors
/// If somebody does, if something else is there, or if it is not ours to make; the
/// error says what to do.
pub fn bind_unix(path: &Path, door: &Door) -> io::Result<UnixListener> {
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket
        .bind(&SockAddr::unix(path)?)
        .map_err(|error| said(&error, why_not(&error)))?;
    // Until it listens nobody can connect, so nobody meets it with other rights.
    let opened = admit(path, door).and_then(|()| socket.listen(BACKLOG));
    if let Err(error) = opened {
        // Nobody has used it.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(OwnedFd::from(socket).into())
}

/// Gives a socket's file the rights that it is to have.
///
/// # Errors
/// If they are not ours to give; the error says what to do.
pub fn admit(path: &Path, door: &Door) -> io::Result<()> {
    if door.owner.is_some() || door.group.is_some() {
        chown(path, door.owner, door.group).map_err(|error| {
            let advice = "the gate's user may give the socket only to groups that it is in, and to no other owner unless it is root: change `owner` or `group`, or add the user to the group";
            said(&error, advice)
        })?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(door.mode))
}

/// Takes away a socket that a gate, or another program, left behind as it died.
fn make_way(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        // Nothing, or no folder, as binding will find out.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(said(&error, why_not(&error))),
    };
    if !found.file_type().is_socket() {
        let told = "there is a file that is no socket; take it away, or choose another path";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, told));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // One whose queue is full is alive, and must not keep us waiting.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|error| said(&error, "nobody listens there, but the file is not ours to take away; take it away, or choose another path")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(said(
            &error,
            "another user's socket is there, and may be at work; take it away, or choose another path",
        )),
        _ => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another program listens there; stop it, or choose another path",
        )),
    }
}

/// What to do about a socket that cannot be made.
fn why_not(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "its folder is not there; make it, for example by `RuntimeDirectory=` in the unit of systemd"
        }
        io::ErrorKind::PermissionDenied => "let the gate's user write to its folder",
        _ => "choose another path",
    }
}

fn said(error: &io::Error, advice: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{error}; {advice}"))
}

#[cfg(test)]
mod tests;
