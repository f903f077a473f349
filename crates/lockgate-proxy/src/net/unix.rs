//! Listening in the file system: a socket's file, whose it is, and what becomes
//! of one that somebody else left there.

use std::fs::{self, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
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
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(Self::of(path, &found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(path: &Arc<Path>, found: &Metadata) -> Option<Self> {
        found.file_type().is_socket().then(|| Self {
            path: Arc::clone(path),
            device: found.dev(),
            inode: found.ino(),
            made: (found.mtime(), found.mtime_nsec()),
        })
    }

    /// Whether it is still what is at its path.
    ///
    /// # Errors
    /// If that cannot be looked at.
    pub fn is_there(&self) -> io::Result<bool> {
        Ok(Self::at(&self.path)?.as_ref() == Some(self))
    }

    /// Gives it the rights that it is to have, and tells those that it had. Whatever else
    /// is at its path by now, a symbolic link above all, is left alone.
    ///
    /// # Errors
    /// If they are not ours to give, or the file is not ours; the error says what to do.
    pub fn admit(&self, door: &Door) -> io::Result<Door> {
        let held = Held::at(&self.path)?;
        match Self::of(&self.path, &held.found) {
            Some(found) if found == *self => held.admit(door),
            _ => Err(not_ours()),
        }
    }

    /// As [`Self::admit`], of one that another gate made: that it is a socket of ours, or of
    /// whom it is to belong to, is all that can be known.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn admit_handed(&self, door: &Door) -> io::Result<Door> {
        let held = Held::at(&self.path)?;
        let owner = held.found.uid();
        if owner != own_user() && Some(owner) != door.owner {
            return Err(not_ours());
        }
        match Self::of(&self.path, &held.found) {
            Some(found) if found == *self => held.admit(door),
            _ => Err(not_ours()),
        }
    }

    /// Takes the file away, unless it is another one by now.
    ///
    /// # Errors
    /// If it cannot be taken away.
    pub fn remove(&self) -> io::Result<()> {
        if self.is_there()? {
            fs::remove_file(&self.path)?;
        }
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A file that is held open: whatever comes to its path, this is the one that was looked at.
struct Held {
    #[cfg(target_os = "linux")]
    file: fs::File,
    #[cfg(not(target_os = "linux"))]
    path: Arc<Path>,
    found: Metadata,
}

impl Held {
    #[cfg(target_os = "linux")]
    fn at(path: &Arc<Path>) -> io::Result<Self> {
        use rustix::fs::{open, Mode, OFlags};

        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::File::from(open(&**path, flags, Mode::empty()).map_err(|error| {
            let error = io::Error::from(error);
            match error.kind() {
                io::ErrorKind::NotFound => not_ours(),
                _ => said(&error, why_not(&error)),
            }
        })?);
        let found = file.metadata()?;
        Ok(Self { file, found })
    }

    #[cfg(not(target_os = "linux"))]
    fn at(path: &Arc<Path>) -> io::Result<Self> {
        let found = fs::symlink_metadata(path).map_err(|_| not_ours())?;
        let path = Arc::clone(path);
        Ok(Self { path, found })
    }

    /// The rights that it had; those that it has are `door`'s.
    fn admit(&self, door: &Door) -> io::Result<Door> {
        let had = Door {
            mode: self.found.mode() & 0o7777,
            owner: Some(self.found.uid()),
            group: Some(self.found.gid()),
        };
        let owner = door.owner.filter(|_| door.owner != had.owner);
        let group = door.group.filter(|_| door.group != had.group);
        if owner.is_some() || group.is_some() {
            self.give(owner, group).map_err(|error| {
                let advice = "the gate's user may give the socket only to groups that it is in, and to no other owner unless it is root: change `owner` or `group`, or add the user to the group";
                said(&error, advice)
            })?;
        }
        // After a new owner, too: the system may take bits of the mode away then.
        if door.mode != had.mode || owner.is_some() || group.is_some() {
            if let Err(error) = self.open_to(door.mode) {
                let _ = self.give(owner.and(had.owner), group.and(had.group));
                return Err(error);
            }
        }
        Ok(had)
    }

    #[cfg(target_os = "linux")]
    fn give(&self, owner: Option<u32>, group: Option<u32>) -> io::Result<()> {
        use rustix::fs::{chownat, AtFlags, Gid, Uid};

        let owner = owner.map(Uid::from_raw);
        let group = group.map(Gid::from_raw);
        Ok(chownat(&self.file, "", owner, group, AtFlags::EMPTY_PATH)?)
    }

    #[cfg(target_os = "linux")]
    fn open_to(&self, mode: u32) -> io::Result<()> {
        use std::os::fd::AsRawFd;

        // The system has no call for it (`fchmodat2` only since Linux 6.6); this name is of the
        // descriptor, and of no path.
        let name = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        fs::set_permissions(name, fs::Permissions::from_mode(mode))
            .map_err(|error| said(&error, "the rights of a socket are set by way of /proc"))
    }

    #[cfg(not(target_os = "linux"))]
    fn give(&self, owner: Option<u32>, group: Option<u32>) -> io::Result<()> {
        std::os::unix::fs::lchown(&self.path, owner, group)
    }

    #[cfg(not(target_os = "linux"))]
    fn open_to(&self, mode: u32) -> io::Result<()> {
        use rustix::fs::{chmodat, AtFlags, Mode, RawMode, CWD};

        let mode = Mode::from_raw_mode(RawMode::try_from(mode).unwrap_or_default());
        Ok(chmodat(CWD, &*self.path, mode, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

impl Door {
    /// This one after `before`: what is said no more is the gate's own again.
    #[must_use]
    pub fn after(&self, before: &Self) -> Self {
        let group = || rustix::process::getegid().as_raw();
        Self {
            mode: self.mode,
            owner: self.owner.or_else(|| before.owner.map(|_| own_user())),
            group: self.group.or_else(|| before.group.map(|_| group())),
        }
    }
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn not_ours() -> io::Error {
    let told = "what is at its path is not the gate's socket any more; take it away, start the gate again, and let nobody else write to the folder";
    io::Error::new(io::ErrorKind::AlreadyExists, told)
}

/// Listens at `path`, in the place of a socket on which nobody listens any more.
///
/// # Errors
/// If somebody does, if something else is there, or if it is not ours to make; the
/// error says what to do.
pub fn bind_unix(path: &Arc<Path>, door: &Door) -> io::Result<(UnixListener, SocketFile)> {
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket
        .bind(&SockAddr::unix(&**path)?)
        .map_err(|error| said(&error, why_not(&error)))?;
    let held = Held::at(path)?;
    // Nobody else can make a file of ours, or give one of ours a second name.
    let ours = held.found.uid() == own_user() && held.found.nlink() == 1;
    let file = SocketFile::of(path, &held.found).filter(|_| ours);
    let file = file.ok_or_else(not_ours)?;
    // Until it listens nobody can connect, so nobody meets it with other rights.
    let opened = held.admit(door).and_then(|_| socket.listen(BACKLOG));
    if let Err(error) = opened {
        // Nobody has used it.
        let _ = file.remove();
        return Err(error);
    }
    Ok((OwnedFd::from(socket).into(), file))
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
