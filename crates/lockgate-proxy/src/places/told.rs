//! How full the caps on users are, for Prometheus.

use lockgate_policy::users::Of;
use lockgate_policy::Mode;

use crate::metrics::{head, line};
use crate::places::Places;
use crate::snapshot::{Policy, Snapshot};

const LABELS: [&str; 4] = ["api", "by", "role", "of"];
const FULLEST: &str = "lockgate_users_fullest";
const CAP: &str = "lockgate_users_cap";

/// Writes for each cap that is not off how many users there may be, and how many there are where most are.
pub fn write(snapshot: Option<&Snapshot>, places: &Places, now_ms: u64, out: &mut String) {
    let mut samples: Vec<([String; 4], usize, u32)> = Vec::new();
    let mut fullest = None;
    for api in snapshot.iter().flat_map(|snapshot| &snapshot.apis) {
        for step in &api.steps {
            let Policy::Users(users) = &step.policy else {
                continue;
            };
            let mode = step.mode_at(now_ms);
            if mode == Mode::Off {
                continue;
            }
            let fullest = fullest.get_or_insert_with(|| places.fullest(now_ms));
            for (cap, kind) in users.caps(mode == Mode::Observe) {
                let by = match &cap.by {
                    Of::Api => "api".to_owned(),
                    Of::App => "app".to_owned(),
                    Of::Claim(name) => format!("claim:{name}"),
                };
                let role = cap.role.clone().unwrap_or_default();
                let (today, there) = fullest.get(&kind).copied().unwrap_or_default();
                for (of, there, most) in [
                    ("day", today, cap.distinct),
                    ("once", there, cap.concurrent),
                ] {
                    let labels = [
                        api.name.to_string(),
                        by.clone(),
                        role.clone(),
                        of.to_owned(),
                    ];
                    // The routes of an API share its caps.
                    if most > 0 && !samples.iter().any(|(said, ..)| *said == labels) {
                        samples.push((labels, there, most));
                    }
                }
            }
        }
    }
    head(
        out,
        FULLEST,
        "gauge",
        &LABELS,
        "Users that came today, or are there at once, for each cap; of the program or value of a claim that has most.",
    );
    for (labels, there, _) in &samples {
        line(out, FULLEST, &named(labels), *there as u64);
    }
    let help = "How many there may be of them.";
    head(out, CAP, "gauge", &LABELS, help);
    for (labels, _, most) in &samples {
        line(out, CAP, &named(labels), u64::from(*most));
    }
}

fn named(labels: &[String; 4]) -> [(&str, &str); 4] {
    std::array::from_fn(|at| (LABELS[at], labels[at].as_str()))
}
