//! Durations in buckets of at most 1.6 % width, from 1 ns to hours, in fixed memory.

use std::time::Duration;

const SUB_BITS: u32 = 6;
const SUB: u64 = 1 << SUB_BITS;

/// Counts of durations.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self { counts: vec![0; ((64 - SUB_BITS as usize) + 1) * SUB as usize], total: 0, max: 0 }
    }

    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[Self::bucket(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// The upper edge, in microseconds, of the bucket that the given share of all durations reaches.
    pub fn micros(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Self::upper(bucket).min(self.max) as f64 / 1_000.0;
            }
        }
        0.0
    }

    /// The usual percentiles as the members of a JSON object.
    pub fn json(&self) -> String {
        format!(
            "{{\"p50\":{:.1},\"p90\":{:.1},\"p99\":{:.1},\"p999\":{:.1},\"max\":{:.1}}}",
            self.micros(0.5),
            self.micros(0.9),
            self.micros(0.99),
            self.micros(0.999),
            self.max as f64 / 1_000.0
        )
    }

    fn bucket(nanos: u64) -> usize {
        if nanos < SUB {
            return nanos as usize;
        }
        let shift = 63 - nanos.leading_zeros() - SUB_BITS;
        (u64::from(shift + 1) * SUB + ((nanos >> shift) - SUB)) as usize
    }

    fn upper(bucket: usize) -> u64 {
        let (group, within) = (bucket as u64 / SUB, bucket as u64 % SUB);
        if group == 0 {
            return within;
        }
        let shift = group - 1;
        ((SUB + within) << shift) + ((1u64 << shift) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;
    use std::time::Duration;

    #[test]
    fn every_duration_falls_within_two_percent_of_its_bucket() {
        let mut nanos = 1u64;
        while nanos < 1 << 50 {
            let upper = Histogram::upper(Histogram::bucket(nanos));
            assert!(
                upper >= nanos && (upper - nanos) as f64 <= nanos as f64 * 0.016,
                "{nanos} in {upper}"
            );
            nanos += nanos / 7 + 1;
        }
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut histogram = Histogram::new();
        (1..=1_000).for_each(|micros| histogram.record(Duration::from_micros(micros)));
        assert!((histogram.micros(0.5) - 500.0).abs() < 9.0);
        assert!((histogram.micros(0.99) - 990.0).abs() < 17.0);
    }
}
