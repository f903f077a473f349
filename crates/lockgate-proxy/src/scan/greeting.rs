//! Whether scanners are there, asked once as a configuration is put to work. One
//! that is not keeps nothing from being served: it may come.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;

use lockgate_policy::waf::{Clamd, Unscanned};

use super::clamd;
use crate::events::EventLog;
use crate::gate::system;
use crate::snapshot::{Policy, Snapshot};

/// Asks each, in a thread of its own: nobody waits for it.
pub fn greet(snapshot: &Snapshot, log: &Arc<EventLog>) {
    let steps = snapshot.apis.iter().flat_map(|api| &api.steps);
    let all: HashSet<(Clamd, bool)> = steps
        .filter_map(|step| match &step.policy {
            Policy::Waf(waf) => waf.scanner(),
            _ => None,
        })
        .map(|scanner| {
            let passes = scanner.on_error == Unscanned::Pass;
            (scanner.clamd.clone(), passes)
        })
        .collect();
    if all.is_empty() {
        return;
    }
    let log = Arc::clone(log);
    let asking = move || {
        for (clamd, passes) in all {
            if let Err(error) = clamd::ping(&clamd) {
                let what = if passes {
                    "pass unscanned"
                } else {
                    "are refused"
                };
                let words = format!(
                    "clamd at {clamd} does not answer ({error}): files {what} until it does"
                );
                system(&log, "waf-scanner-away", &words);
            }
        }
    };
    let builder = thread::Builder::new().name("lockgate-scanner".into());
    // Without a thread to spare nothing is said of it; each scan says it anew.
    let _ = builder.spawn(asking);
}
