//! Our own detectors, run over the values of a request.

use crate::bytes::{ByteSet, Span};
use lockgate_wire::content::layers::{Allowance, Layer, Unwrapper};

use crate::detect::{Detector, Finding, Value, Where};
use crate::filter::Filter;
use crate::rule::{Collection, Severity};

use super::feed::RequestHead;
use super::members::{Base, ValueId, Way};
use super::overrule::{self, Overrule};
use super::program::Program;
use super::transaction::Transaction;

mod lists;
mod texts;

pub use texts::Spared;

/// Most findings of detectors that are kept of one transaction; the score
/// counts no more than these.
pub const MAX_FOUND: usize = 64;

/// What is known of the detectors that run.
#[derive(Debug)]
pub struct Native {
    /// All that run, in their order.
    detectors: Vec<&'static Detector>,
    /// Of each place, the detectors that look there.
    places: [Vec<&'static Detector>; PLACES],
    /// From this score on a request is refused, where no rules decide that.
    pub threshold: Option<u32>,
    /// The variable that rules add scores up in.
    pub adds_to: Option<super::names::Name>,
    /// What of rules does not count where detectors found nothing, if that is wanted.
    pub overrule: Option<Overrule>,
    exclusions: Vec<Exclusion>,
    /// Unlike any other's, so that a memo knows what it keeps of it.
    pub serial: u64,
}

/// Detectors that leave out some values.
#[derive(Debug, Clone)]
pub struct Exclusion {
    /// The detector's name; any, where it has none.
    pub detector: Option<Box<str>>,
    /// Which values; all, where it has none.
    pub at: Option<super::except::At>,
    /// Of which requests; of all, where it says none.
    pub on: Option<super::except::On>,
    /// Until when, in milliseconds since the epoch.
    pub until_ms: u64,
}

/// What a detector found.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Which one.
    pub detector: &'static Detector,
    /// In which value.
    pub value: ValueId,
    /// What the bytes would do.
    pub what: &'static str,
    /// Which bytes; of the value, or of what it was decoded to.
    pub at: Span,
    /// How sure.
    pub severity: Severity,
}

/// Bytes that are a part of further encodings, beside those of base64.
const LAYERS: ByteSet = ByteSet::of(&Unwrapper::TRIGGERS);

/// How many places there are.
pub(super) const PLACES: usize = Where::Bytes as usize + 1;

impl Native {
    /// Has these detectors run.
    #[must_use]
    pub fn new(
        detectors: &[&'static Detector],
        exclusions: Vec<Exclusion>,
        threshold: Option<u32>,
    ) -> Self {
        let mut places = [const { Vec::new() }; PLACES];
        for detector in detectors {
            for place in detector.places {
                places[*place as usize].push(*detector);
            }
        }
        Self {
            detectors: detectors.to_vec(),
            places,
            threshold,
            adds_to: None,
            overrule: None,
            exclusions,
            serial: super::sieve::serial(),
        }
    }

    /// The numbers of the exclusions that hold for a request.
    pub(super) fn holding<'n>(
        &'n self,
        head: &'n RequestHead<'_>,
    ) -> impl Iterator<Item = u32> + 'n {
        let all = (0..).zip(&self.exclusions);
        let holds = |exclusion: &Exclusion| {
            let on = exclusion.on.as_ref();
            head.now_ms < exclusion.until_ms && on.is_none_or(|on| on.means(head.method, head.path))
        };
        all.filter(move |(_, exclusion)| holds(exclusion))
            .map(|(number, _)| number)
    }

    /// Looks at one value, whose bytes are `mask`, and at what is within it
    /// behind further encodings, and says whether anything was found, be it left
    /// out or not, or could have been behind a limit. A member's name is given
    /// where it is another without numbers ([`unnumber`]).
    pub(super) fn look(
        &self,
        tx: &mut Transaction,
        unwrapper: &mut Unwrapper,
        (id, unnumbered): (ValueId, Option<&[u8]>),
        mask: &ByteSet,
    ) -> bool {
        let Some(stood) = stood(id) else {
            return false;
        };
        let place = &self.places[stood as usize];
        let seen = Seen {
            tx: &*tx,
            id,
            span: tx.members.value(id),
            unnumbered,
        };
        let mut allowance = tx.native.allowance;
        let (mut hits, whole) = hits(place, stood, seen, (unwrapper, &mut allowance), mask);
        tx.native.allowance = allowance;
        // A limit ends the unwrapping, not the judging: what was unwrapped was looked at.
        tx.native.doubts |= self.doubts(place, &hits, whole);
        if hits.is_empty() {
            return !whole;
        }
        let member = tx.members.get(id);
        hits.retain(|hit| score(hit.severity) > 0);
        self.leave_out(&mut hits, id, tx);
        texts::count_once(&mut hits, id, tx);
        for hit in hits {
            if tx.native.found.len() >= MAX_FOUND {
                break;
            }
            let at = match hit.evidence {
                Evidence::Value(at) => at,
                Evidence::Form(bytes) => tx.arena.keep(&bytes),
            };
            // A key of JSON is in the names of all that is below it.
            let again = |found: &Found| {
                std::ptr::eq(found.detector, hit.detector)
                    && found.value.is_name()
                    && found.what == hit.what
            };
            let key = id.is_name() && member.way != Way::Name;
            if key && tx.native.found.iter().any(again) {
                continue;
            }
            tx.native.found.push(Found {
                detector: hit.detector,
                value: id,
                what: hit.what,
                at,
                severity: hit.severity,
            });
        }
        true
    }

    /// Who found something, or did not see all that there may be.
    fn doubts(&self, place: &[&'static Detector], hits: &[Hit], whole: bool) -> overrule::Bits {
        if self.overrule.is_none() || (whole && hits.is_empty()) {
            return 0;
        }
        let found = hits
            .iter()
            .filter(|hit| hit.doubted)
            .map(|hit| hit.detector);
        let found_by = |one: &Detector| found.clone().any(|detector| std::ptr::eq(detector, one));
        let misses = |one: &Detector| {
            !whole && one.unwraps && place.iter().any(|here| std::ptr::eq(*here, one))
        };
        let all = self.detectors.iter().enumerate();
        all.filter(|(_, one)| found_by(one) || misses(one))
            .fold(0, |doubts, (number, _)| doubts | overrule::bit(number))
    }

    /// Leaves out what exclusions say.
    fn leave_out(&self, hits: &mut Vec<Hit>, id: ValueId, tx: &mut Transaction) {
        hits.retain(|hit| {
            let left = self.excluded(hit.detector, id, tx);
            if left {
                texts::spare(hit.detector, id, tx);
            }
            !left && !texts::is_spared(hit.detector, id, tx)
        });
    }

    fn excluded(&self, detector: &Detector, id: ValueId, tx: &Transaction) -> bool {
        let here = tx.control.left_out_here.iter();
        here.filter_map(|number| self.exclusions.get(*number as usize))
            .any(|exclusion| {
                exclusion
                    .detector
                    .as_deref()
                    .is_none_or(|known| known == detector.name)
                    && exclusion
                        .at
                        .as_ref()
                        .is_none_or(|at| at.means(id, &tx.members, &tx.arena))
            })
    }
}

/// A value that detectors look at.
struct Seen<'t> {
    tx: &'t Transaction,
    id: ValueId,
    /// Where it stands.
    span: Span,
    /// Its member's name without numbers, where that is another ([`unnumber`]).
    unnumbered: Option<&'t [u8]>,
}

/// What detectors find in a value and behind its encodings, and whether they saw all of it.
fn hits(
    place: &[&'static Detector],
    stood: Where,
    Seen {
        tx,
        id,
        mut span,
        unnumbered,
    }: Seen<'_>,
    (unwrapper, allowance): (&mut Unwrapper, &mut Allowance),
    mask: &ByteSet,
) -> (Vec<Hit>, bool) {
    let member = tx.members.get(id);
    let mut name = member.name;
    if id.base() == Base::PartHeaders as usize {
        // A whole line, and the part's name.
        span = field_value(tx.arena.get(span), span);
        name = Span::default();
    }
    let name = unnumbered.unwrap_or_else(|| tx.arena.get(name));
    let renamed = unnumbered.filter(|_| id.is_name());
    let value = Value {
        bytes: renamed.unwrap_or_else(|| tx.arena.get(span)),
        stood,
        name,
        declared: member.declared.map(|declared| tx.arena.get(declared)),
    };
    let mut hits: Vec<Hit> = Vec::new();
    for detector in place {
        if value.bytes.len() < detector.min_len || !detector.may_match(mask) {
            continue;
        }
        if let Some(finding) = (detector.find)(&value) {
            let part = |text: &[u8]| text.get(finding.at.clone()).unwrap_or_default().to_vec();
            let evidence = match renamed {
                None => Evidence::Value(super::feed::part(span, finding.at.clone())),
                Some(name) => Evidence::Form(part(name)),
            };
            hits.push(Hit::new(detector, &finding, evidence));
        }
    }
    let mut whole = true;
    let text = !matches!(stood, Where::FileContent | Where::Bytes);
    if text && Unwrapper::may_hold(value.bytes, mask.meets(&LAYERS)) {
        let mut visit = |form: &[u8], _: &[Layer]| {
            let form = Value {
                bytes: form,
                ..value
            };
            let mask = Filter::mask(form.bytes);
            for detector in place {
                if detector.unwraps
                    && form.bytes.len() >= detector.min_len
                    && detector.may_match(&mask)
                {
                    look_within(detector, &form, &mut hits);
                }
            }
            true
        };
        whole = unwrapper.unwrap(value.bytes, allowance, &mut visit);
        if stood == Where::Path {
            // A slash is a sign of base64 too: what a step of the path holds shows only by itself.
            let steps = value.bytes.split(|byte| *byte == b'/');
            for step in steps.filter(|step| step.len() < value.bytes.len()) {
                whole &= unwrapper.unwrap(step, allowance, &mut visit);
            }
        }
    }
    (hits, whole)
}

/// Looks at a form of a value. Of what one detector finds the worst is kept.
fn look_within(detector: &'static Detector, form: &Value<'_>, hits: &mut Vec<Hit>) {
    let mut known = hits.iter();
    let known = known.position(|hit| std::ptr::eq(hit.detector, detector));
    let known = known.and_then(|known| hits.get_mut(known));
    if matches!(&known, Some(hit) if hit.severity <= Severity::Critical) {
        return;
    }
    let Some(finding) = (detector.find)(form) else {
        return;
    };
    let evidence = form.bytes.get(finding.at.clone()).unwrap_or_default();
    let mut hit = Hit::new(detector, &finding, Evidence::Form(evidence.to_vec()));
    let doubted = hit.doubted || known.as_ref().is_some_and(|known| known.doubted);
    hit.doubted = doubted;
    match known {
        None => hits.push(hit),
        Some(weaker) if hit.severity < weaker.severity => *weaker = hit,
        Some(weaker) => weaker.doubted = doubted,
    }
}

/// Writes the name of what is in JSON without the numbers of elements, which say
/// nothing to detectors, so that all of a list have one name; whether it had any.
pub(super) fn unnumber(name: &[u8], way: Way, out: &mut Vec<u8>) -> bool {
    const ELEMENT: &[u8] = b".array_";
    if !matches!(way, Way::Json | Way::Pointer(_)) {
        return false;
    }
    let mut rest = name;
    out.clear();
    while let Some(at) = memchr::memmem::find(rest, ELEMENT) {
        let (before, number) = rest.split_at(at + ELEMENT.len());
        let digits = number
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        out.extend_from_slice(before);
        rest = number.get(digits..).unwrap_or_default();
    }
    let numbered = rest.len() < name.len();
    if numbered {
        out.extend_from_slice(rest);
    }
    numbered
}

/// What stands behind the name of a field.
fn field_value(line: &[u8], span: Span) -> Span {
    let colon = memchr::memchr(b':', line).map_or(0, |at| at + 1);
    let value = line.get(colon..).unwrap_or_default();
    let start = line.len() - value.trim_ascii_start().len();
    super::feed::part(span, start..line.len())
}

/// A finding, before it is kept.
struct Hit {
    detector: &'static Detector,
    what: &'static str,
    severity: Severity,
    /// Whether this, or what it stands for, is a doubt.
    doubted: bool,
    evidence: Evidence,
}

/// The bytes that were found.
enum Evidence {
    /// A part of the value.
    Value(Span),
    /// A part of what it was decoded to.
    Form(Vec<u8>),
}

impl Hit {
    fn new(detector: &'static Detector, finding: &Finding, evidence: Evidence) -> Self {
        let severity = finding.severity.unwrap_or(detector.severity);
        Self {
            detector,
            what: finding.what,
            severity,
            doubted: severity.is_doubt(),
            evidence,
        }
    }
}

/// What a severity adds to the score, as in the Core Rule Set.
#[must_use]
pub const fn score(severity: Severity) -> u32 {
    match severity {
        Severity::Emergency | Severity::Alert | Severity::Critical => 5,
        Severity::Error => 4,
        Severity::Warning => 3,
        Severity::Notice => 2,
        Severity::Info | Severity::Debug => 0,
    }
}

/// The score of all that was found.
pub(super) fn total(tx: &Transaction) -> u32 {
    tx.native
        .found
        .iter()
        .map(|found| score(found.severity))
        .sum()
}

/// Adds the score to what rules count, once all of the request was looked at.
pub(super) fn add_up(program: &Program, tx: &mut Transaction) {
    let Some(native) = &program.native else {
        return;
    };
    if let Some(name) = native.adds_to.filter(|_| !tx.native.added) {
        let old = tx.variables.get(name).number(&tx.arena);
        let sum = old.saturating_add(total(tx).into());
        tx.variables.set(name, super::names::Held::Number(sum));
    }
    tx.native.added = true;
}

/// Where a value stood, for a detector.
pub(super) fn stood(id: ValueId) -> Option<Where> {
    if id.base() == Base::Single as usize {
        return if id.place() == Collection::RequestFilename as usize {
            Some(Where::Path)
        } else if id.place() == Collection::RequestBody as usize {
            Some(Where::Body)
        } else {
            None
        };
    }
    let base = Base::ALL.get(id.base())?;
    Some(match (base, id.is_name()) {
        (Base::ArgsGet | Base::ArgsPost | Base::Cookies | Base::Files, true) => {
            Where::ParameterName
        }
        (Base::ArgsGet | Base::ArgsPost | Base::OctetTexts, false) => Where::Parameter,
        (Base::Octets, false) => Where::Bytes,
        (Base::Cookies, false) => Where::Cookie,
        (Base::RequestHeaders | Base::PartHeaders, false) => Where::Header,
        (Base::XmlText | Base::XmlElements | Base::XmlNodes | Base::XmlAttributes, false) => {
            Where::Xml
        }
        (Base::Files, false) => Where::FileName,
        (Base::FileContents | Base::BodyFile, false) => Where::FileContent,
        _ => return None,
    })
}

/// Whether detectors leave it alone, since they look at its parts.
pub(super) fn is_parted(tx: &Transaction, id: ValueId) -> bool {
    tx.members.get(id).parted && !id.is_name()
}

/// The collection that a value is told of.
pub(super) fn collection(id: ValueId) -> Collection {
    if id.base() == Base::Single as usize {
        return if id.place() == Collection::RequestBody as usize {
            Collection::RequestBody
        } else {
            Collection::RequestFilename
        };
    }
    match (Base::ALL.get(id.base()), id.is_name()) {
        (Some(Base::ArgsGet | Base::ArgsPost), true) => Collection::ArgsNames,
        (Some(Base::Cookies), _) => Collection::RequestCookies,
        (Some(Base::RequestHeaders), _) => Collection::RequestHeaders,
        (Some(Base::XmlText | Base::XmlElements | Base::XmlNodes | Base::XmlAttributes), _) => {
            Collection::Xml
        }
        (Some(Base::PartHeaders), _) => Collection::MultipartPartHeaders,
        (Some(Base::Files), true) => Collection::FilesNames,
        (Some(Base::Files), false) => Collection::Files,
        (Some(Base::FileContents), _) => Collection::FilesContent,
        (Some(Base::BodyFile), _) => Collection::RequestBody,
        _ => Collection::Args,
    }
}
