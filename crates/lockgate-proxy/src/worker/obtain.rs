//! What policies want from outside, obtained for a request that waits.

use lockgate_policy::plugins::Silent;
use lockgate_policy::{Answers, Need};

use super::Worker;
use crate::judge::{answer, Stores};
use crate::snapshot::Snapshot;

/// Why a plugin says nothing where none was started.
const NO_POOL: &str = "no process runs plugins";

impl Worker {
    /// Obtains what a policy needs from outside.
    pub async fn obtain(&self, need: Need, snapshot: &Snapshot, now_ms: u64) -> Answers {
        let facts = &self.shared.facts;
        let silent_ms = || now_ms.saturating_sub(facts.heard_ms());
        let need = match need {
            Need::Plugin(call) => {
                return Answers::Plugin(match &snapshot.pool {
                    // In a box, so that requests without plugins carry nothing of it along.
                    Some(pool) => Box::pin(pool.ask(*call)).await,
                    None => Err(Silent::failed(NO_POOL)),
                });
            }
            Need::Ask(question) => {
                let issuer = std::sync::Arc::clone(&question.issuer);
                let asking = &self.shared.introspections;
                // In a box, for the same reason.
                let heard = Box::pin(asking.ask(*question, silent_ms(), now_ms)).await;
                return Answers::Asked(heard, facts.issuer(&issuer));
            }
            Need::Order(order) => {
                let got = Box::pin(self.shared.broker.get(*order, silent_ms(), now_ms));
                return Answers::Brought(got.await);
            }
            need => need,
        };
        if let Need::Refetch { issuer, kid } = &need {
            let refetches = &self.shared.refetches;
            let found = || {
                let keys = facts.issuer(issuer).keys;
                keys.is_some_and(|keys| keys.knows(kid))
            };
            refetches.ask(issuer, kid, silent_ms(), &found).await;
        }
        let stale = self.shared.facts_stale(&snapshot.facts, now_ms);
        answer(&Stores::from(&*self.shared), stale, need, now_ms)
    }
}
