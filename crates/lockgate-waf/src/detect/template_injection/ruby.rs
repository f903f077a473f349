//! What Ruby hands to a shell within an expression.

/// `` `id` ``, `%x(id)`: what Ruby hands to a shell.
pub(super) fn shell(body: &[u8]) -> bool {
    let mut ticks = memchr::memchr_iter(b'`', body);
    let quoted = ticks.next().zip(ticks.next());
    let called = memchr::memmem::find(body, b"%x").and_then(|at| body.get(at + 2));
    quoted.is_some_and(|(from, to)| to > from + 1)
        || called.is_some_and(|byte| matches!(byte, b'(' | b'{' | b'[' | b'|' | b'<' | b'/'))
}
