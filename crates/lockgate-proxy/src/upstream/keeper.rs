//! What is done for upstreams beside the requests: health checks and looking
//! names up. One thread for the process, started with the first upstream that
//! wants it; no worker ever waits for it.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{watch, Semaphore};

use super::balance::mixed;
use super::dns::{Failed, Resolver};
use super::group::{Group, Member};
use super::probe::probe;
use super::state::{lock, NameState, ServiceState};
use crate::clock::wall_ms;

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(20);
/// Questions under way at once.
const MOST_AT_ONCE: usize = 256;
/// Percent of an interval by which questions are shifted, so that gates do not ask in step.
const JITTER: u64 = 10;

/// The newest groups, and the thread that looks after them.
type Running = (watch::Sender<Vec<Arc<Group>>>, JoinHandle<()>);

/// The thread.
#[derive(Debug, Default)]
pub struct Keeper {
    running: Mutex<Option<Running>>,
}

impl Keeper {
    /// Looks after these groups from now on, and after no others.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn keep(&self, groups: Vec<Arc<Group>>) -> std::io::Result<()> {
        let mut running = lock(&self.running);
        if running.is_none() {
            if groups.is_empty() {
                return Ok(());
            }
            let (sender, receiver) = watch::channel(Vec::new());
            let handle = std::thread::Builder::new()
                .name("gate-keeper".to_owned())
                .spawn(move || run(receiver))?;
            *running = Some((sender, handle));
        }
        if let Some((sender, _)) = &*running {
            // A thread that died of a panic is told of by `alive`.
            let _ = sender.send(groups);
        }
        Ok(())
    }

    /// Whether the thread lives, where there is one.
    #[must_use]
    pub fn alive(&self) -> bool {
        let running = lock(&self.running);
        running
            .as_ref()
            .is_none_or(|(_, handle)| !handle.is_finished())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some((sender, handle)) = lock(&self.running).take() {
            drop(sender);
            // A panic of its own was told of by `alive`.
            let _ = handle.join();
        }
    }
}

fn run(mut receiver: watch::Receiver<Vec<Arc<Group>>>) {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(Default::default());
    let Ok(runtime) = built else { return };
    runtime.block_on(async {
        let room = Rc::new(Semaphore::new(MOST_AT_ONCE));
        let mut groups: Vec<Arc<Group>> = Vec::new();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                told = receiver.changed() => match told {
                    Ok(()) => groups.clone_from(&receiver.borrow_and_update()),
                    Err(_) => return,
                },
                _ = tick.tick(), if !groups.is_empty() => {}
            }
            let now_ms = wall_ms();
            for group in &groups {
                look_after(group, &room, now_ms);
            }
        }
    });
}

/// Begins whatever is due.
fn look_after(group: &Arc<Group>, room: &Rc<Semaphore>, now_ms: u64) {
    if let Some(resolver) = &group.resolver {
        for (name, service) in group.services() {
            if service.due.take(now_ms) {
                let work = look_up_service(
                    Arc::clone(group),
                    resolver.clone(),
                    name.clone(),
                    Arc::clone(service),
                );
                tokio::task::spawn_local(within(Rc::clone(room), work));
            }
        }
        group.each_name(|host, name| {
            if name.due.take(now_ms) {
                let (host, name) = (host.to_owned(), Arc::clone(name));
                let work = look_up_name(Arc::clone(group), resolver.clone(), host, name);
                tokio::task::spawn_local(within(Rc::clone(room), work));
            }
        });
    }
    if group.rules.health.is_some() {
        for rank in group.ranks().iter() {
            for member in &rank.members {
                if member.state.due.take(now_ms) {
                    let work = check(Arc::clone(group), member.clone());
                    tokio::task::spawn_local(within(Rc::clone(room), work));
                }
            }
        }
    }
}

async fn within(room: Rc<Semaphore>, work: impl std::future::Future<Output = ()>) {
    // It is never closed.
    let _place = room.acquire().await;
    work.await;
}

async fn check(group: Arc<Group>, member: Member) {
    let Some(check) = &group.rules.health else {
        return;
    };
    // What DNS has not named yet is not ill: it waits for DNS.
    if let Some(name) = &member.state.name {
        if !name.asked.load(std::sync::atomic::Ordering::Acquire) {
            member.state.due.again(0);
            return;
        }
    }
    let found = probe(check, &member, &group.rules).await;
    let now_ms = wall_ms();
    group.checked(&member, found, now_ms);
    member
        .state
        .due
        .again(now_ms + shifted(u64::from(check.every_ms), now_ms));
}

async fn look_up_name(group: Arc<Group>, resolver: Resolver, host: String, name: Arc<NameState>) {
    use std::sync::atomic::Ordering;
    let found = resolver.addresses(&host).await;
    let now_ms = wall_ms();
    let again_ms = match found {
        Ok(found) => {
            if found.over > 0 {
                too_many(&group, &host, found.over);
            }
            let mut known = (**name.addresses.load()).clone();
            let mut new = found.what.clone();
            // Servers give their answers in turns: only another set is news.
            known.sort_unstable();
            new.sort_unstable();
            if known != new {
                name.addresses.store(Arc::new(found.what));
            }
            recovered(&group, &host, name.failing.swap(false, Ordering::AcqRel));
            lasts(&group, found.ttl_ms)
        }
        Err(why) => {
            failed(
                &group,
                &host,
                &why,
                name.failing.swap(true, Ordering::AcqRel),
            );
            u64::from(group.rules.dns.least_ms)
        }
    };
    name.asked.store(true, Ordering::Release);
    name.due.again(now_ms + again_ms);
    name.answered.notify_waiters();
}

async fn look_up_service(
    group: Arc<Group>,
    resolver: Resolver,
    name: String,
    service: Arc<ServiceState>,
) {
    use std::sync::atomic::Ordering;
    let found = resolver.services(&name).await;
    let now_ms = wall_ms();
    let again_ms = match found {
        Ok(found) => {
            if found.over > 0 {
                too_many(&group, &name, found.over);
            }
            if **service.services.load() != found.what {
                service.services.store(Arc::new(found.what));
                group.rebuild();
            }
            recovered(&group, &name, service.failing.swap(false, Ordering::AcqRel));
            lasts(&group, found.ttl_ms)
        }
        Err(why) => {
            failed(
                &group,
                &name,
                &why,
                service.failing.swap(true, Ordering::AcqRel),
            );
            u64::from(group.rules.dns.least_ms)
        }
    };
    service.asked.store(true, Ordering::Release);
    service.due.again(now_ms + again_ms);
    service.answered.notify_waiters();
}

/// How long an answer is believed.
fn lasts(group: &Group, ttl_ms: u64) -> u64 {
    let (least, most) = (group.rules.dns.least_ms, group.rules.dns.most_ms);
    ttl_ms.clamp(u64::from(least), u64::from(most.max(least)))
}

fn too_many(group: &Group, name: &str, over: usize) {
    group.tell(
        "upstream-name-too-large",
        &format!(
            "DNS has too many answers for {name} of the upstream {}: {over} of them are left out",
            group.name
        ),
    );
}

fn failed(group: &Group, name: &str, why: &Failed, before: bool) {
    if !before {
        group.tell(
            "upstream-name-unresolved",
            &format!(
                "{name} of the upstream {} cannot be looked up: {why}; what was known of it is kept",
                group.name
            ),
        );
    }
}

fn recovered(group: &Group, name: &str, before: bool) {
    if before {
        group.tell(
            "upstream-name-resolved",
            &format!(
                "{name} of the upstream {} can be looked up again",
                group.name
            ),
        );
    }
}

/// The interval, some percent more or less.
fn shifted(every_ms: u64, seed: u64) -> u64 {
    let play = every_ms * JITTER / 100;
    every_ms - play + mixed(seed) % (2 * play + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_shifted_by_a_tenth_at_most() {
        let all: Vec<u64> = (0..1000).map(|seed| shifted(1000, seed)).collect();
        assert!(all.iter().all(|ms| (900..=1100).contains(ms)));
        assert!(all.iter().any(|ms| *ms < 930) && all.iter().any(|ms| *ms > 1070));
        assert_eq!(shifted(1, 7), 1);
    }
}
