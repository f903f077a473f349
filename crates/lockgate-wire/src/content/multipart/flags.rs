//! What rules ask of a form: ModSecurity's `MULTIPART_…` variables.

/// Each as ModSecurity sets it. Two differences: a boundary within a line is
/// looked for in the whole line, not its first 4 KiB; and nothing depends on
/// where the body was cut when it came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "a variable of the rule language each"
)]
pub struct Flags {
    /// The content type's boundary is in quotes.
    pub boundary_quoted: bool,
    /// Whitespace stands around the `=` of the boundary.
    pub boundary_whitespace: bool,
    /// No semicolon stands before the boundary.
    pub missing_semicolon: bool,
    /// Something stands before the first boundary.
    pub data_before: bool,
    /// Something stands behind the last boundary.
    pub data_after: bool,
    /// A header goes on in a second line.
    pub header_folding: bool,
    /// The same, by whitespace that is neither a space nor a tab.
    pub invalid_header_folding: bool,
    /// A header or boundary line ends in CR LF.
    pub crlf_line: bool,
    /// One ends in LF alone.
    pub lf_line: bool,
    /// Single quotes stand where double quotes belong. Between double quotes
    /// they are letters like others: `O'Brien.pdf`.
    pub invalid_quoting: bool,
    /// A part has no name.
    pub invalid_part: bool,
    /// More files than allowed.
    pub file_limit_exceeded: bool,
    /// 1: a line looks like a boundary and is none; 2: a boundary came after the first.
    pub unmatched_boundary: u8,
    /// The content type's boundary cannot be used.
    pub error: bool,
}

impl Flags {
    /// `MULTIPART_STRICT_ERROR`.
    #[must_use]
    pub const fn strict_error(&self) -> bool {
        self.error
            || self.boundary_quoted
            || self.boundary_whitespace
            || self.missing_semicolon
            || self.data_before
            || self.data_after
            || self.header_folding
            || self.invalid_header_folding
            || self.lf_line
            || self.invalid_quoting
            || self.invalid_part
            || self.file_limit_exceeded
    }

    /// `MULTIPART_CRLF_LF_LINES`.
    #[must_use]
    pub const fn mixed_lines(&self) -> bool {
        self.crlf_line && self.lf_line
    }
}
