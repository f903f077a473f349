//! Answers that are looked at as a whole before a byte of them goes out: whose they are, and what
//! of them the caller may read. Both see them by one reading.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::StatusCode;
use http_body::Frame;
use lockgate_policy::minimise::{self, Fate, Minimise};
use lockgate_policy::objects::{self, Objects};
use lockgate_policy::waf::Look;
use lockgate_policy::Denial;
use lockgate_wire::coding::codings;
use lockgate_wire::json::{Places, Scan, Wrong};

use super::answer::{next_of_answer, Beginning, Next};
use super::full;
use crate::exchange::Exchange;
use crate::judge::{Answering, OF_BYTES};
use crate::net::BodyRefusal;
use crate::reasons;
use crate::respond::Fields;
use crate::snapshot::{Policy, Snapshot};
use crate::upstream::{Head, Link};

/// What else is said of an answer's bytes, and is not true of others.
static OF_ANSWERS: [HeaderName; 2] = [CONTENT_ENCODING, ETAG];

type Mine = Option<Box<Answering<objects::Pending>>>;
type Cut = Option<Box<Answering<minimise::Pending>>>;

/// The policies that look at an answer.
struct Looking<'s> {
    owned: Option<(&'s Objects, &'s Answering<objects::Pending>)>,
    minimised: Option<(&'s Minimise, &'s Answering<minimise::Pending>, Fate)>,
}

/// What is left of an answer: all of it as it came, or something else.
enum Kept {
    All,
    Cut(Vec<u8>),
}

/// A refusal, and whose it is: the step, and whether it holds.
type Refused = (usize, bool, Denial);

/// Judges whose an answer is, and takes out of it what is somebody else's, where rules say so, and
/// what the caller may not read.
///
/// # Errors
/// If it is refused, or does not arrive.
pub async fn whole(
    exchange: &mut Exchange,
    head: &mut Head,
    link: &mut Link,
) -> Result<(), Denial> {
    let owned = exchange.judgement.owned.take();
    let minimised = exchange.judgement.minimised.take();
    let snapshot = Rc::clone(&exchange.snapshot);
    let fields = std::mem::replace(&mut head.fields, Fields::Own(HeaderMap::new()));
    let mut headers = fields.map().ok_or(&reasons::GARBAGE)?;
    let looking = looking(
        exchange,
        &snapshot,
        (&owned, &minimised),
        head.status,
        &headers,
    );
    let said = looked(exchange, &looking, head.status, &mut headers, link).await;
    if let Some((policy, one, _)) = looking.minimised.filter(|(_, one, _)| one.enforced) {
        policy.keep_private(&one.pending, &mut headers);
    }
    head.fields = Fields::Own(headers);
    for (step, enforced, denial) in said? {
        exchange.state.body.refused.replace(Some(BodyRefusal {
            step,
            enforced,
            denial,
        }));
        exchange.hear_body().map_or(Ok(()), Err)?;
    }
    Ok(())
}

/// Who looks at the answer, by its head.
fn looking<'s>(
    exchange: &Exchange,
    snapshot: &'s Snapshot,
    (owned, minimised): (&'s Mine, &'s Cut),
    status: StatusCode,
    headers: &HeaderMap,
) -> Looking<'s> {
    let matched = exchange.judgement.matched;
    let api = matched.and_then(|matched| snapshot.apis.get(matched.api));
    let policy = |step: usize| {
        api.and_then(|api| api.steps.get(step))
            .map(|step| &step.policy)
    };
    // Nothing is there to be looked at; and of a HEAD only where it was asked as a GET.
    let empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let looks = |enforced: bool| !empty && (enforced || !exchange.is_head());
    let owned = owned.as_deref().filter(|one| looks(one.enforced));
    // What is no success is the API's word on the request, and none of its objects.
    let owned = owned.filter(|_| status.is_success());
    let owned = owned.and_then(|one| match policy(one.step) {
        Some(Policy::Objects(policy)) => Some((&**policy, one)),
        _ => None,
    });
    let minimised = minimised.as_deref().filter(|one| looks(one.enforced));
    let minimised = minimised.and_then(|one| match policy(one.step) {
        Some(Policy::Minimise(policy)) => {
            let fate = policy.fate(&one.pending, status.as_u16(), headers);
            Some((&**policy, one, fate))
        }
        _ => None,
    });
    Looking { owned, minimised }
}

impl Looking<'_> {
    /// Longest answer that one of them looks at; none where nobody wants any of it.
    fn most(&self) -> Option<u64> {
        let owned = self.owned.map(|(policy, _)| policy.answer_bytes());
        let cuts = self.minimised.filter(|(_, _, fate)| *fate != Fate::Pass);
        owned.max(cuts.map(|(policy, ..)| policy.answer_bytes()))
    }

    /// What cannot be read at all is refused by each.
    fn each(&self, denial: &Denial) -> Vec<Refused> {
        let owned = self.owned.map(|(_, one)| (one.step, one.enforced));
        let cuts = self.minimised.filter(|(_, _, fate)| *fate != Fate::Pass);
        let cuts = cuts.map(|(_, one, _)| (one.step, one.enforced));
        let all = owned.into_iter().chain(cuts);
        all.map(|(step, enforced)| (step, enforced, denial.clone()))
            .collect()
    }

    /// Judges an answer; of one that is too long nothing is there.
    fn judge(&self, bytes: Result<&[u8], &'static str>) -> (Kept, Vec<Refused>) {
        let mut refused = Vec::new();
        let cutting = self.minimised.and_then(|(policy, one, fate)| match fate {
            Fate::Cut => Some((policy.cutting(&one.pending), one)),
            Fate::CutError => Some((Minimise::cutting_error(), one)),
            Fate::Pass | Fate::Refuse(_) => None,
        });
        let within = |most: u64| match bytes {
            Ok(bytes) if bytes.len() as u64 > most => Err("it is longer than is looked at"),
            other => other,
        };
        let places = self.owned.map(|(policy, one)| policy.places(&one.pending));
        let none = Places::default();
        let read = |places: Option<&Places>| {
            let all = bytes.unwrap_or_default();
            let cutting = cutting.as_ref().map(|(cutting, _)| cutting);
            Scan::cutting(all, places.unwrap_or(&none), cutting)
        };
        let mut scan = read(places.as_ref());
        let mut taken = Vec::new();
        if let (Some((policy, one)), Some(places)) = (self.owned, &places) {
            // What has no field that could be open is another's business.
            let own = match &scan {
                Err(Wrong::Shape) => Some(Scan::of(bytes.unwrap_or_default(), places)),
                _ => None,
            };
            let said =
                within(policy.answer_bytes()).map_err(|told| policy.unreadable(&one.pending, told));
            let said = said.and_then(|_| match own.as_ref().unwrap_or(&scan) {
                Ok(scan) => policy.judge_scan(&one.pending, places, scan),
                Err(wrong) => Err(policy.unread(&one.pending, *wrong)),
            });
            match said {
                Ok(said) if one.enforced => taken = said,
                Ok(_) => {}
                Err(denial) => refused.push((one.step, one.enforced, denial)),
            }
        }
        let twice = matches!(scan, Err(Wrong::Twice));
        if twice && cutting.is_some() {
            scan = read(None);
            taken.clear();
        }
        let mut closed = false;
        let mut nothing = false;
        if let Some((policy, one, fate)) = self.minimised {
            let said = match (fate, within(policy.answer_bytes()), &scan) {
                (Fate::Pass, ..) => Ok(false),
                (_, Ok([]), _) => Ok(false),
                (Fate::Refuse(told), ..) | (_, Err(told), _) => {
                    Err(policy.refusal(&one.pending, told))
                }
                (_, Ok(_), Ok(scan)) => Ok(!scan.cuts.is_empty()),
                (_, Ok(_), Err(wrong)) => Err(policy.unreadable(&one.pending, *wrong)),
            };
            match said {
                Ok(said) => closed = said && one.enforced,
                // It is told by its status.
                Err(_) if fate == Fate::CutError && bytes.is_ok() => nothing = one.enforced,
                Err(denial) => refused.push((one.step, one.enforced, denial)),
            }
        }
        let kept = match (&scan, bytes) {
            _ if nothing => Kept::Cut(Vec::new()),
            (Ok(scan), Ok(bytes)) if closed || !taken.is_empty() => {
                Kept::Cut(scan.without(bytes, &taken, closed))
            }
            _ => Kept::All,
        };
        (kept, refused)
    }
}

/// Reads the answer, judges it, and puts back what is left.
async fn looked(
    exchange: &Exchange,
    looking: &Looking<'_>,
    status: StatusCode,
    headers: &mut HeaderMap,
    link: &mut Link,
) -> Result<Vec<Refused>, Denial> {
    let Some(most) = looking.most() else {
        return Ok(Vec::new());
    };
    let mut frames = Vec::new();
    let part = status == StatusCode::PARTIAL_CONTENT;
    // Whatever it says, nothing of it would go out: it may be long, or never end.
    let alone = looking.owned.is_none();
    let refuses =
        matches!(looking.minimised, Some((_, one, Fate::Refuse(_))) if one.enforced || alone);
    let read = match codings(headers) {
        _ if part => Err("it is a part of one"),
        Err(_) => Err("it is in a content coding that is not known"),
        Ok(_) if refuses && !link.is_over() => Err("it is no JSON"),
        Ok(packed) => {
            // One more than is taken, so that what is longer shows.
            let look = Look::all(most + 1, packed);
            match all(exchange, link, &look, most, &mut frames).await? {
                Ok(bytes) => Ok(bytes),
                Err(None) => Err("it is longer than is looked at"),
                Err(Some(denial)) => {
                    link.put_back(frames);
                    return Ok(looking.each(&denial));
                }
            }
        }
    };
    let (kept, refused) = looking.judge(read.as_deref().map_err(|told| *told));
    if let Kept::Cut(left) = kept {
        for name in OF_BYTES.iter().chain(&OF_ANSWERS) {
            headers.remove(name);
        }
        if left.is_empty() {
            headers.remove(CONTENT_TYPE);
        }
        if headers.contains_key(CONTENT_LENGTH) {
            headers.insert(CONTENT_LENGTH, left.len().into());
        }
        frames.clear();
        if !left.is_empty() {
            frames.push(Frame::data(Bytes::from(left)));
        }
    }
    // Of a HEAD that was asked as a GET nothing but the head goes out.
    if !exchange.is_head() {
        link.put_back(frames);
    }
    Ok(refused)
}

/// A whole body, unpacked; none where it is longer than is taken. Its pieces, as they came, go to `frames`.
async fn all(
    exchange: &Exchange,
    link: &mut Link,
    look: &Look,
    most: u64,
    frames: &mut Vec<Frame<Bytes>>,
) -> Result<Result<Vec<u8>, Option<Denial>>, Denial> {
    let budget = &exchange.worker().shared.memory.inspecting;
    let bound = exchange.listener.limits.inspect_memory;
    let Some(mut charge) = budget.take_for(exchange, 0, bound) else {
        return Ok(Err(Some(full())));
    };
    let mut beginning = match Beginning::new(exchange, look) {
        Ok(beginning) => beginning,
        Err(denial) => return Ok(Err(Some(denial))),
    };
    let mut came = 0_u64;
    loop {
        let frame = match next_of_answer(exchange, link, None).await? {
            Next::Frame(frame) => frame,
            Next::Pause | Next::End => break,
        };
        let piece = frame.data_ref().cloned().unwrap_or_default();
        came += piece.len() as u64;
        frames.push(frame);
        if let Err(denial) = beginning.add(piece).await {
            return Ok(Err(Some(denial)));
        }
        // What came is held as well as what was unpacked of it.
        let held = usize::try_from(came).unwrap_or(usize::MAX);
        if !charge.grow_to(held.saturating_add(beginning.bytes.len())) {
            return Ok(Err(Some(full())));
        }
        if beginning.is_whole() || came > most {
            return Ok(Err(None));
        }
    }
    match beginning.end() {
        Ok(()) => Ok(Ok(beginning.bytes)),
        Err(denial) => Ok(Err(Some(denial))),
    }
}
