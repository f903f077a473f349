//! The listeners of a gate: what is opened for a bundle, and what is closed.

use std::collections::HashMap;
use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::Notify;

use super::{system, Gate, GateError};
use crate::net::{Door, Endpoint, ListeningSocket, SocketFile};
use crate::snapshot::Snapshot;
use crate::worker::{Command, Datagrams, Listening};

/// A listener that is open.
pub(super) struct Open {
    pub(super) listening: Arc<Listening>,
    pub(super) bound: Endpoint,
    /// Its sockets once more, so that they can be handed to the gate that comes after.
    pub(super) sockets: Vec<ListeningSocket>,
    /// Its file, and who may use it, where it is in the file system.
    pub(super) file: Option<(SocketFile, Door)>,
    /// Its UDP sockets, where it speaks HTTP/3.
    pub(super) datagrams: Option<(Arc<Datagrams>, Vec<UdpSocket>)>,
}

/// What is to be opened before a bundle can serve.
#[derive(Default)]
pub(super) struct Opening {
    pub(super) listeners: Vec<(Open, Vec<ListeningSocket>)>,
    pub(super) datagrams: Vec<(Endpoint, Vec<UdpSocket>)>,
    /// Files that are there since now.
    pub(super) files: Vec<SocketFile>,
    /// Those who may use a socket that is open already, where they are others now.
    pub(super) doors: Vec<(Endpoint, Door)>,
    /// What is to be done to the files of sockets that are there already.
    rights: Vec<Rights>,
    /// What has been done: the rights that they had.
    had: Vec<(SocketFile, Door)>,
}

/// Those who are to be able to use a socket that is there already.
struct Rights {
    address: Endpoint,
    file: SocketFile,
    door: Door,
    /// Whether another gate made it.
    handed: bool,
    /// Whether they are those who should be already.
    same: bool,
}

impl Opening {
    /// Sets the rights of sockets that are there already: the last that may fail.
    fn admit(&mut self) -> Result<(), GateError> {
        for rights in std::mem::take(&mut self.rights) {
            let file = rights.file;
            let failed = |cause| GateError::Listen {
                address: rights.address.clone(),
                cause,
            };
            // What somebody did to the file of a socket, whose rights do not change, must not
            // keep the gate from other news: its callers are gone already.
            if rights.same && !file.is_there().map_err(failed)? {
                continue;
            }
            let had = if rights.handed {
                file.admit_handed(&rights.door)
            } else {
                file.admit(&rights.door)
            };
            self.had.push((file, had.map_err(failed)?));
        }
        Ok(())
    }

    /// As if nothing had been opened.
    pub(super) fn undo(self) {
        for file in self.files {
            // Nobody listens there: the next who wants to finds out.
            let _ = file.remove();
        }
        for (file, had) in self.had.into_iter().rev() {
            // Whose the file is no more, its rights are no more either.
            let _ = file.admit(&had);
        }
    }
}

impl Gate {
    /// Opens what is not open yet, for every worker, before anything is changed.
    pub(super) fn bind(
        &self,
        snapshot: &Snapshot,
        open: &HashMap<Endpoint, Open>,
    ) -> Result<Opening, GateError> {
        let mut opening = Opening::default();
        let opened = self.bind_all(snapshot, open, &mut opening);
        match opened.and_then(|()| opening.admit()) {
            Ok(()) => Ok(opening),
            Err(error) => {
                opening.undo();
                Err(error)
            }
        }
    }

    fn bind_all(
        &self,
        snapshot: &Snapshot,
        open: &HashMap<Endpoint, Open>,
        opening: &mut Opening,
    ) -> Result<(), GateError> {
        for listener in &snapshot.listeners {
            let failed = |cause| GateError::Listen {
                address: listener.address.clone(),
                cause,
            };
            let there = open.get(&listener.address);
            let mut bound = there.map(|opened| opened.bound.clone());
            if there.is_none() {
                let found = self.sockets_for(listener).map_err(failed)?;
                match &found.file {
                    Some((file, _)) if found.made => opening.files.push(file.clone()),
                    Some((file, door)) => opening.rights.push(Rights {
                        address: listener.address.clone(),
                        file: file.clone(),
                        door: *door,
                        handed: true,
                        same: false,
                    }),
                    None => {}
                }
                bound = Some(found.bound.clone());
                let sockets = found.sockets;
                let kept: io::Result<Vec<_>> =
                    sockets.iter().map(ListeningSocket::try_clone).collect();
                let listening = Listening {
                    opened: Arc::clone(listener),
                    bound: found.bound.clone(),
                    admission: Arc::default(),
                    closed: AtomicBool::new(false),
                    stop: Notify::new(),
                };
                let opened = Open {
                    listening: Arc::new(listening),
                    bound: found.bound,
                    sockets: kept.map_err(failed)?,
                    file: found.file,
                    datagrams: None,
                };
                opening.listeners.push((opened, sockets));
            }
            if let Some((file, at_work)) = there.and_then(|opened| opened.file.as_ref()) {
                let door = self.door(&listener.socket).map_err(failed)?;
                let same = door == *at_work;
                // Also where nothing changed: the file may have been given other rights.
                opening.rights.push(Rights {
                    address: listener.address.clone(),
                    file: file.clone(),
                    door: door.after(at_work),
                    handed: false,
                    same,
                });
                if !same {
                    opening.doors.push((listener.address.clone(), door));
                }
            }
            let bound = bound.and_then(|bound| bound.network());
            let speaks = there.is_some_and(|opened| opened.datagrams.is_some());
            if let (true, false, Some(bound)) = (listener.speaks_http3(), speaks, bound) {
                let sockets = self
                    .datagrams_for(&listener.address, bound)
                    .map_err(failed)?;
                opening.datagrams.push((listener.address.clone(), sockets));
            }
        }
        Ok(())
    }

    /// Takes the files of all sockets away, so that nobody asks where nobody answers.
    pub(super) fn take_files_away(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().for_each(|opened| self.take_away(opened));
    }

    pub(super) fn take_away(&self, opened: &Open) {
        let Some((file, _)) = &opened.file else {
            return;
        };
        if self.released.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = file.remove() {
            let message = format!(
                "the socket {} is left behind: {error}",
                file.path().display()
            );
            system(&self.shared.log, "socket-left-behind", &message);
        }
    }

    /// Lets the workers take HTTP/3 on these sockets.
    pub(super) fn take_datagrams(&self, opened: &mut Open, sockets: Vec<UdpSocket>) {
        let kept: io::Result<Vec<_>> = sockets.iter().map(UdpSocket::try_clone).collect();
        let kept = match kept {
            Ok(kept) => kept,
            // It serves without; only a gate that comes after it will not.
            Err(error) => {
                system(&self.shared.log, "listen-failed", &error.to_string());
                Vec::new()
            }
        };
        let datagrams = Arc::new(Datagrams {
            listening: Arc::clone(&opened.listening),
            closed: AtomicBool::new(false),
            stop: Notify::new(),
        });
        for (worker, socket) in self.workers.iter().cycle().zip(sockets) {
            let _ = worker
                .commands
                .blocking_send(Command::Take(Arc::clone(&datagrams), socket));
        }
        opened.datagrams = Some((datagrams, kept));
    }

    /// Lets the workers take no more of it.
    pub(super) fn leave_datagrams(&self, opened: &mut Open) {
        let Some((datagrams, _)) = opened.datagrams.take() else {
            return;
        };
        for worker in &self.workers {
            let _ = worker
                .commands
                .blocking_send(Command::Leave(Arc::clone(&datagrams)));
        }
    }
}
