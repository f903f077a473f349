//! How much of what costs the gate more than the client a connection may send.

use crate::reason::ReasonRef;

/// A token bucket: so many at once, and so many more each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Frames that may come at once.
    pub burst: u32,
    /// Frames that may come each second after that.
    pub per_second: u32,
}

impl Budget {
    /// `burst` frames at once, and `per_second` more each second.
    #[must_use]
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second }
    }
}

/// The budgets of one connection. Each is for frames that an honest client
/// sends seldom, and that cost the server more than they cost the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// SETTINGS, each of which must be acknowledged (CVE-2019-9515), and their
    /// acknowledgements. 100, then 10/s: clients send one or two in all.
    pub settings: Budget,
    /// PING, each of which must be answered (CVE-2019-9512). 10,000, as many
    /// as Go's server queues, then 2,000/s: gRPC measures the bandwidth with
    /// one for each round trip while data flows, and round trips within a
    /// data centre are short.
    pub ping: Budget,
    /// RST_STREAM: asking and cancelling at once starts work without end
    /// (CVE-2023-44487). 1,000 as nghttp2 has it, for a page that is left with
    /// everything in flight, then 100/s (nghttp2: 33) for deadlines that pass.
    pub rst_stream: Budget,
    /// Frames that break a rule of their stream, so that the server resets it
    /// and the stream no longer counts (CVE-2025-8671): WINDOW_UPDATE of
    /// nothing, PRIORITY of a wrong length or of a stream on itself. 20, then
    /// 1/s: no library sends them; 20 as h2's `max_pending_accept_reset_streams`.
    pub induced_resets: Budget,
    /// PRIORITY and PRIORITY_UPDATE (CVE-2019-9513). 500, then 100/s; Envoy
    /// allows 100 for each stream, browsers send a handful.
    pub priority: Budget,
    /// WINDOW_UPDATE (CVE-2019-9511). 40,000, then 20,000/s: Go's client
    /// sends two for each 4 KiB that it receives. What is sent buys more, see
    /// [`super::Watcher::sent_data`].
    pub window_update: Budget,
    /// DATA that carries nothing, or padding alone, and does not end its
    /// stream (CVE-2019-9518). 100, then 10/s; Envoy allows one in a row.
    pub empty_data: Budget,
    /// HEADERS and CONTINUATION that carry nothing and do not end the stream
    /// (CVE-2019-9518). 20, then 1/s.
    pub empty_headers: Budget,
    /// Frames of unknown kinds, which must be passed over (RFC 9113, 5.5).
    /// 100, then 10/s: clients send some to keep the way open for new ones.
    pub unknown: Budget,
    /// CONTINUATION frames in one header block (CVE-2024-27316). 8 as nghttp2.
    pub continuations: u32,
    /// Bytes of one header block, compressed, over all its frames
    /// (CVE-2024-27316). 64 KiB: twice the 32 KiB of an HTTP/1.1 head.
    pub header_block_bytes: u32,
    /// Bytes of one frame without its header: what the server announced as
    /// SETTINGS_MAX_FRAME_SIZE. 16,384, the least (RFC 9113, 4.2).
    pub frame_bytes: u32,
}

impl Budgets {
    /// So many times the frames; what memory a frame or a header block takes stays bounded as it is.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        const fn more(budget: Budget, factor: u32) -> Budget {
            Budget::new(
                budget.burst.saturating_mul(factor),
                budget.per_second.saturating_mul(factor),
            )
        }
        Self {
            settings: more(self.settings, factor),
            ping: more(self.ping, factor),
            rst_stream: more(self.rst_stream, factor),
            induced_resets: more(self.induced_resets, factor),
            priority: more(self.priority, factor),
            window_update: more(self.window_update, factor),
            empty_data: more(self.empty_data, factor),
            empty_headers: more(self.empty_headers, factor),
            unknown: more(self.unknown, factor),
            continuations: self.continuations.saturating_mul(factor),
            ..self
        }
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            settings: Budget::new(100, 10),
            ping: Budget::new(10_000, 2_000),
            rst_stream: Budget::new(1_000, 100),
            induced_resets: Budget::new(20, 1),
            priority: Budget::new(500, 100),
            window_update: Budget::new(40_000, 20_000),
            empty_data: Budget::new(100, 10),
            empty_headers: Budget::new(20, 1),
            unknown: Budget::new(100, 10),
            continuations: 8,
            header_block_bytes: 64 * 1024,
            frame_bytes: 16_384,
        }
    }
}

/// What is left of a budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    budget: Budget,
    /// In thousandths, so that each millisecond adds a whole number of them.
    left: u64,
    at_ms: u64,
}

impl Bucket {
    pub(crate) fn full(budget: Budget, now_ms: u64) -> Self {
        Self {
            budget,
            left: u64::from(budget.burst) * 1000,
            at_ms: now_ms,
        }
    }

    /// Takes one, or gives the reason that there is none.
    pub(crate) fn take(&mut self, now_ms: u64, reason: ReasonRef) -> Result<(), ReasonRef> {
        self.take_many(1, now_ms, reason)
    }

    /// Takes so many, or gives the reason that there are not as many.
    pub(crate) fn take_many(
        &mut self,
        count: u64,
        now_ms: u64,
        reason: ReasonRef,
    ) -> Result<(), ReasonRef> {
        // A clock that goes back adds nothing.
        let passed = now_ms.saturating_sub(self.at_ms);
        self.at_ms = self.at_ms.max(now_ms);
        self.add(passed.saturating_mul(u64::from(self.budget.per_second)));
        let wanted = count.saturating_mul(1000);
        self.left = self.left.checked_sub(wanted).ok_or(reason)?;
        Ok(())
    }

    /// Adds thousandths, up to what the bucket holds.
    pub(crate) fn add(&mut self, thousandths: u64) {
        let full = u64::from(self.budget.burst) * 1000;
        self.left = self.left.saturating_add(thousandths).min(full);
    }
}
