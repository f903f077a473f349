#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::os::unix::net::UnixStream;

use super::*;
use crate::testing::Dir;

const PRIVATE: Door = Door {
    mode: 0o660,
    owner: None,
    group: None,
};

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_socket_has_its_rights_before_anybody_can_connect() {
    let dir = Dir::new();
    let path: Arc<Path> = dir.join("gate.sock").into();
    let (listener, file) = bind_unix(&path, &PRIVATE).unwrap();
    assert_eq!(mode_of(&path), 0o660);
    let _client = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
    let wide = Door {
        mode: 0o666,
        ..PRIVATE
    };
    let had = file.admit(&wide).unwrap();
    assert_eq!((had.mode, mode_of(&path)), (0o660, 0o666));
    file.admit(&had).unwrap();
    assert_eq!(mode_of(&path), 0o660);
}

#[test]
fn what_a_dead_gate_left_is_replaced() {
    let dir = Dir::new();
    let path: Arc<Path> = dir.join("gate.sock").into();
    drop(bind_unix(&path, &PRIVATE).unwrap());
    assert!(path.exists(), "nobody took it away");
    let (listener, _) = bind_unix(&path, &PRIVATE).unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
}

#[test]
fn a_live_one_is_left_alone_and_so_is_any_other_file() {
    let dir = Dir::new();
    let path: Arc<Path> = dir.join("gate.sock").into();
    let (listener, _) = bind_unix(&path, &PRIVATE).unwrap();
    let refused = bind_unix(&path, &PRIVATE).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    assert!(refused.to_string().contains("stop it"), "{refused}");
    let _client = UnixStream::connect(&path).unwrap();
    // The first that comes is the question whether anybody listens.
    listener.accept().unwrap();
    listener.accept().unwrap();

    let file = dir.join("file");
    fs::write(&file, b"of somebody").unwrap();
    let link = dir.join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for other in [&file, &link, &dir.join("")] {
        let refused = bind_unix(&other.as_path().into(), &PRIVATE).unwrap_err();
        assert!(refused.to_string().contains("no socket"), "{refused}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"of somebody");
}

#[test]
fn a_folder_that_is_not_there_is_told_of() {
    let dir = Dir::new();
    let refused = bind_unix(&dir.join("none/gate.sock").into(), &PRIVATE).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::NotFound);
    assert!(
        refused.to_string().contains("RuntimeDirectory="),
        "{refused}"
    );
}

#[test]
fn only_our_own_file_is_removed() {
    let dir = Dir::new();
    let path: Arc<Path> = dir.join("gate.sock").into();
    assert_eq!(SocketFile::at(&path).unwrap(), None);
    let (first, ours) = bind_unix(&path, &PRIVATE).unwrap();
    assert_eq!(SocketFile::at(&path).unwrap().as_ref(), Some(&ours));
    drop(first);
    let _second = bind_unix(&path, &PRIVATE).unwrap();
    ours.remove().unwrap();
    assert!(path.exists(), "it is another one");
    let theirs = SocketFile::at(&path).unwrap().unwrap();
    theirs.remove().unwrap();
    assert!(!path.exists());
    theirs.remove().unwrap();
}

#[test]
fn rights_are_given_to_our_own_socket_alone() {
    let dir = Dir::new();
    let path: Arc<Path> = dir.join("gate.sock").into();
    let (_listener, ours) = bind_unix(&path, &PRIVATE).unwrap();
    let secret = dir.join("secret");
    fs::write(&secret, b"of root").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let wide = Door {
        mode: 0o666,
        ..PRIVATE
    };
    let aside = dir.join("aside.sock");
    fs::rename(&path, &aside).unwrap();
    let refuse = || {
        for refused in [ours.admit(&wide), ours.admit_handed(&wide)] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("take it away"), "{refused}");
        }
    };
    refuse();
    for target in [&secret, &aside] {
        std::os::unix::fs::symlink(target, &path).unwrap();
        refuse();
        fs::remove_file(&path).unwrap();
    }
    let (_other, _) = bind_unix(&path, &PRIVATE).unwrap();
    refuse();
    for (file, mode) in [(&*secret, 0o600), (&*aside, 0o660), (&*path, 0o660)] {
        assert_eq!(mode_of(file), mode, "{}", file.display());
    }
    fs::rename(&aside, &path).unwrap();
    ours.admit(&wide).unwrap();
    assert_eq!(mode_of(&path), 0o666);
}
