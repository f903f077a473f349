//! Files of a request, scanned for viruses once everything else has let it
//! through, and before any of it goes on.
//!
//! A request's files are scanned one after another, each over a connection of
//! its own, and all of them within one deadline: the wait for a place among
//! those that are scanned, too. Whoever goes away takes its scan along.

mod clamd;
mod counts;
mod greeting;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use lockgate_policy::waf::{Clamd, File, Scanned, Scanning, SCANNER};
use lockgate_policy::Denial;
use tokio::sync::Semaphore;
use tokio::time::{timeout_at, Instant};

use crate::events::{Finding, FOUND_MAX};
use crate::judge::{places, Inspecting};

pub use counts::Counts;
pub use greeting::greet;

/// What is scanned at a time, of a gate.
#[derive(Debug, Default)]
pub struct Scans {
    rooms: Mutex<Vec<Room>>,
    /// What came of it.
    pub counts: Counts,
}

/// What is told of the files of a request.
#[derive(Debug, Default)]
pub struct Report {
    /// Of each that is not clean, in order.
    pub found: Vec<Finding>,
    /// Whether the last one is why the request is refused.
    pub refuses: bool,
}

/// Places at one `clamd`, for all who say the same of it.
#[derive(Debug)]
struct Room {
    clamd: Clamd,
    at_once: u32,
    places: Weak<Semaphore>,
}

impl Scans {
    /// The places at a scanner; there as long as somebody has or wants one.
    fn room(&self, clamd: &Clamd, at_once: u32) -> Arc<Semaphore> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.retain(|room| room.places.strong_count() > 0);
        let known = rooms
            .iter()
            .find(|room| room.at_once == at_once && room.clamd == *clamd);
        if let Some(places) = known.and_then(|room| room.places.upgrade()) {
            return places;
        }
        let most = usize::try_from(at_once).unwrap_or(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        rooms.push(Room {
            clamd: clamd.clone(),
            at_once,
            places: Arc::downgrade(&places),
        });
        places
    }

    /// Scans the files of a request, up to the first that is refused. Gives why one
    /// passes that could not be scanned, if one does.
    ///
    /// # Errors
    /// Why it is.
    pub async fn scan(
        &self,
        inspecting: &mut Inspecting,
        body: &Bytes,
    ) -> Result<Option<String>, Denial> {
        let Some(scanning) = &inspecting.scanning else {
            return Ok(None);
        };
        let files = scanning.files(&inspecting.inspection, body)?;
        if files.is_empty() {
            return Ok(None);
        }
        // Nothing is sent of what is refused for its length in any case.
        if let Some(file) = files.iter().find(|file| scanning.is_too_long(file)) {
            let found = finding(file, &Scanned::TooLong);
            self.counts.count(&Scanned::TooLong, Duration::ZERO);
            inspecting.scanned.found.extend(found);
            inspecting.scanned.refuses = true;
            let denial = Scanned::TooLong.denial(scanning.scanner.on_error);
            return denial.map_or(Ok(None), Err);
        }
        let mut told = Vec::new();
        let result = self.scan_each(scanning, files, body, &mut told).await;
        inspecting.scanned = Report {
            found: told,
            refuses: result.is_err(),
        };
        result
    }

    async fn scan_each(
        &self,
        scanning: &Scanning,
        files: Vec<File>,
        body: &Bytes,
        told: &mut Vec<Finding>,
    ) -> Result<Option<String>, Denial> {
        let scanner = &scanning.scanner;
        let within = Duration::from_millis(scanner.timeout_ms.into());
        let until = Instant::now() + within;
        let room = self.room(&scanner.clamd, scanner.at_once);
        // Nobody closes it: without a place it is for the time alone.
        let place = timeout_at(until, room.acquire()).await.ok();
        let mut unscanned = None;
        for file in files {
            let begun = Instant::now();
            let content = body.get(file.bytes.clone()).unwrap_or_default();
            let scanned = match &place {
                None => Err(format!(
                    "no place was free within {} ms",
                    within.as_millis()
                )),
                Some(_) => match timeout_at(until, clamd::scan(&scanner.clamd, content)).await {
                    Ok(scanned) => Ok(scanned),
                    Err(_) => Err(format!("no answer within {} ms", within.as_millis())),
                },
            };
            let scanned = scanned.unwrap_or_else(Scanned::Failed);
            self.counts.count(&scanned, begun.elapsed());
            if told.len() < FOUND_MAX {
                told.extend(finding(&file, &scanned));
            }
            if let Some(denial) = scanned.denial(scanner.on_error) {
                return Err(denial);
            }
            if matches!(scanned, Scanned::Failed(_)) {
                unscanned = unscanned.or_else(|| scanned.told());
            }
        }
        Ok(unscanned)
    }
}

/// What is told of a file; nothing of one that is clean.
fn finding(file: &File, scanned: &Scanned) -> Option<Finding> {
    let place = places(std::iter::once(file.place.clone()));
    Some(Finding {
        rule: SCANNER.to_owned(),
        at: place.first().cloned().unwrap_or_default(),
        message: scanned.told()?,
        masked: String::new(),
        score: 0,
        places: place,
        level: 0,
        counts: true,
        overruled: false,
    })
}
