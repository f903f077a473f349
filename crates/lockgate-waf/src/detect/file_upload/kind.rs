//! What a file is by its first bytes, and what it says it is.

/// What the first bytes of a file are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "their names say it")]
pub enum Kind {
    Png,
    Jpeg,
    Gif,
    Webp,
    /// BMP, TIFF, ICO, AVIF and others.
    OtherPicture,
    Svg,
    Pdf,
    Zip,
    Gzip,
    /// Bzip2, xz, 7z, RAR, Zstandard, tar, cabinets.
    OtherArchive,
    /// The old files of Office.
    Ole,
    Rtf,
    /// Sound and films.
    Media,
    /// PE, ELF, Mach-O.
    Program,
    /// A class of Java.
    Bytecode,
    /// A shortcut of Windows.
    Shortcut,
    /// It begins with `#!`.
    Script,
    /// HTML or XML other than SVG.
    Markup,
    /// It begins as PHP, JSP or ASP do.
    Code,
    /// Something else.
    Unknown,
}

/// Beginnings, and what they are of.
static MAGICS: &[(&[u8], Kind)] = &[
    (b"\x89PNG\r\n\x1a\n", Kind::Png),
    (b"\xFF\xD8\xFF", Kind::Jpeg),
    (b"GIF87a", Kind::Gif),
    (b"GIF89a", Kind::Gif),
    (b"BM", Kind::OtherPicture),
    (b"II*\x00", Kind::OtherPicture),
    (b"MM\x00*", Kind::OtherPicture),
    (b"\x00\x00\x01\x00", Kind::OtherPicture),
    (b"\x00\x00\x02\x00", Kind::OtherPicture),
    (b"\xFF\x0A", Kind::OtherPicture),
    (b"%PDF-", Kind::Pdf),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"\x1F\x8B\x08", Kind::Gzip),
    (b"BZh", Kind::OtherArchive),
    (b"\xFD7zXZ\x00", Kind::OtherArchive),
    (b"7z\xBC\xAF\x27\x1C", Kind::OtherArchive),
    (b"Rar!\x1A\x07", Kind::OtherArchive),
    (b"\x28\xB5\x2F\xFD", Kind::OtherArchive),
    (b"MSCF", Kind::OtherArchive),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Kind::Ole),
    (b"{\\rt", Kind::Rtf),
    (b"ID3", Kind::Media),
    (b"OggS", Kind::Media),
    (b"fLaC", Kind::Media),
    (b"\x1A\x45\xDF\xA3", Kind::Media),
    (b"\x7FELF", Kind::Program),
    (b"\xFE\xED\xFA\xCE", Kind::Program),
    (b"\xFE\xED\xFA\xCF", Kind::Program),
    (b"\xCE\xFA\xED\xFE", Kind::Program),
    (b"\xCF\xFA\xED\xFE", Kind::Program),
    (b"L\x00\x00\x00\x01\x14\x02\x00", Kind::Shortcut),
    (b"#!/", Kind::Script),
    (b"#! /", Kind::Script),
];

impl Kind {
    /// What the file is of which these are the first bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        if let Some((_, kind)) = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
            return *kind;
        }
        match bytes {
            [b'M', b'Z', ..] if windows_program(bytes) => Self::Program,
            // Mach-O for several machines and Java's classes begin alike: the count of
            // machines is small, a version of Java is not.
            [0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, 0..=30, ..] => Self::Program,
            [0xCA, 0xFE, 0xBA, 0xBE, ..] => Self::Bytecode,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Webp,
            [b'R', b'I', b'F', b'F', ..] => Self::Media,
            [_, _, _, _, b'f', b't', b'y', b'p', b'a' | b'h' | b'm', b'v' | b'e' | b'i', ..] => {
                Self::OtherPicture
            }
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Self::Media,
            _ if bytes.get(257..262) == Some(b"ustar") => Self::OtherArchive,
            _ => Self::of_text(bytes),
        }
    }

    /// Markup and code, which may begin with blanks and a byte order mark.
    fn of_text(bytes: &[u8]) -> Self {
        /// Bytes before a root element: a prolog, comments, a document type.
        const PROLOG: usize = 4096;
        let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = text.trim_ascii_start();
        let starts = |with: &[u8]| {
            text.get(..with.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(with))
        };
        if starts(b"<?php") || starts(b"<?=") || starts(b"<%@") || starts(b"<%!") || starts(b"<%=")
        {
            return Self::Code;
        }
        if starts(b"<svg") {
            return Self::Svg;
        }
        if starts(b"<?xml") || starts(b"<!--") || starts(b"<!doctype") {
            let head = text.get(..PROLOG).unwrap_or(text);
            return if memchr::memmem::find(head, b"<svg").is_some() {
                Self::Svg
            } else {
                Self::Markup
            };
        }
        if ["<html", "<head", "<body", "<script", "<iframe", "<title"]
            .iter()
            .any(|tag| starts(tag.as_bytes()))
        {
            return Self::Markup;
        }
        Self::Unknown
    }

    /// Whether it is a file and no value by its beginning. Markup is in many values.
    #[must_use]
    pub const fn is_file(self) -> bool {
        !matches!(self, Self::Markup | Self::Unknown)
    }

    /// Whether it is none of text, told by a beginning that no text has by chance.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        self.picture()
            || matches!(
                self,
                Self::Pdf
                    | Self::Zip
                    | Self::Gzip
                    | Self::OtherArchive
                    | Self::Ole
                    | Self::Media
                    | Self::Program
                    | Self::Bytecode
                    | Self::Shortcut
            )
    }

    /// Whether it is a picture of points.
    pub(super) const fn picture(self) -> bool {
        matches!(
            self,
            Self::Png | Self::Jpeg | Self::Gif | Self::Webp | Self::OtherPicture
        )
    }
}

/// Whether the old header of DOS leads to one of Windows, or stands for a whole program.
fn windows_program(bytes: &[u8]) -> bool {
    let Some(at) = bytes.get(0x3c..0x40) else {
        return false;
    };
    let at = at
        .iter()
        .rev()
        .fold(0usize, |value, byte| value << 8 | usize::from(*byte));
    match bytes.get(at..at.saturating_add(2)) {
        Some(sign) => matches!(sign, b"PE" | b"NE" | b"LE" | b"LX"),
        None => at < 1 << 16,
    }
}

/// What a file says it is, by its name and by the type that it was sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Picture,
    Vector,
    Document,
    Media,
    Archive,
    Text,
    Code,
    Program,
    Unknown,
}

/// Endings of names, and what they say; in order.
static ENDINGS: &[(&[u8], Claim)] = &[
    (b"7z", Claim::Archive),
    (b"avi", Claim::Media),
    (b"avif", Claim::Picture),
    (b"bat", Claim::Program),
    (b"bin", Claim::Program),
    (b"bmp", Claim::Picture),
    (b"bz2", Claim::Archive),
    (b"class", Claim::Program),
    (b"csv", Claim::Text),
    (b"deb", Claim::Program),
    (b"dll", Claim::Program),
    (b"doc", Claim::Document),
    (b"docx", Claim::Document),
    (b"exe", Claim::Program),
    (b"gif", Claim::Picture),
    (b"gz", Claim::Archive),
    (b"heic", Claim::Picture),
    (b"html", Claim::Code),
    (b"ico", Claim::Picture),
    (b"jar", Claim::Program),
    (b"jpeg", Claim::Picture),
    (b"jpg", Claim::Picture),
    (b"js", Claim::Code),
    (b"json", Claim::Text),
    (b"lnk", Claim::Program),
    (b"md", Claim::Text),
    (b"mov", Claim::Media),
    (b"mp3", Claim::Media),
    (b"mp4", Claim::Media),
    (b"msi", Claim::Program),
    (b"odt", Claim::Document),
    (b"ogg", Claim::Media),
    (b"pdf", Claim::Document),
    (b"php", Claim::Code),
    (b"pl", Claim::Code),
    (b"png", Claim::Picture),
    (b"ppt", Claim::Document),
    (b"pptx", Claim::Document),
    (b"py", Claim::Code),
    (b"rar", Claim::Archive),
    (b"rb", Claim::Code),
    (b"rtf", Claim::Document),
    (b"sh", Claim::Code),
    (b"so", Claim::Program),
    (b"svg", Claim::Vector),
    (b"tar", Claim::Archive),
    (b"tif", Claim::Picture),
    (b"tiff", Claim::Picture),
    (b"txt", Claim::Text),
    (b"wav", Claim::Media),
    (b"webm", Claim::Media),
    (b"webp", Claim::Picture),
    (b"xls", Claim::Document),
    (b"xlsx", Claim::Document),
    (b"xml", Claim::Code),
    (b"xz", Claim::Archive),
    (b"yaml", Claim::Text),
    (b"yml", Claim::Text),
    (b"zip", Claim::Archive),
];

impl Claim {
    /// What the name says; where it says nothing, what the type does.
    pub(super) fn of(name: &[u8], declared: Option<&[u8]>) -> Self {
        let mut small = [0; 8];
        let ending = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        if ending.len() < name.len() {
            if let Some(small) = small.get_mut(..ending.len()) {
                for (to, from) in small.iter_mut().zip(ending) {
                    *to = from.to_ascii_lowercase();
                }
                let found = ENDINGS
                    .binary_search_by(|(known, _)| (*known).cmp(small))
                    .ok()
                    .and_then(|at| ENDINGS.get(at));
                if let Some((_, claim)) = found {
                    return *claim;
                }
            }
        }
        let declared = declared.unwrap_or_default();
        let starts = |with: &[u8]| {
            declared
                .get(..with.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(with))
        };
        if starts(b"image/svg") {
            Self::Vector
        } else if starts(b"image/") {
            Self::Picture
        } else if starts(b"audio/") || starts(b"video/") {
            Self::Media
        } else if starts(b"application/pdf")
            || starts(b"application/msword")
            || starts(b"application/vnd.")
        {
            Self::Document
        } else if starts(b"text/html")
            || starts(b"text/javascript")
            || starts(b"application/javascript")
        {
            Self::Code
        } else if starts(b"text/") || starts(b"application/json") {
            Self::Text
        } else if starts(b"application/zip") || starts(b"application/gzip") {
            Self::Archive
        } else {
            Self::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, Kind, ENDINGS};

    #[test]
    fn claims_are_read_from_names_before_types() {
        assert!(ENDINGS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(Claim::of(b"a.JPG", Some(b"text/plain")), Claim::Picture);
        assert_eq!(Claim::of(b"avatar", Some(b"image/png")), Claim::Picture);
        assert_eq!(Claim::of(b"avatar", Some(b"image/svg+xml")), Claim::Vector);
        assert_eq!(Claim::of(b"a.unheardof", None), Claim::Unknown);
        assert_eq!(Claim::of(b"png", None), Claim::Unknown);
    }

    #[test]
    fn kinds_are_told_by_first_bytes() {
        assert_eq!(Kind::of(b"GIF89a..."), Kind::Gif);
        assert_eq!(
            Kind::of(b"\xCA\xFE\xBA\xBE\x00\x00\x00\x34"),
            Kind::Bytecode
        );
        assert_eq!(Kind::of(b"\xCA\xFE\xBA\xBE\x00\x00\x00\x02"), Kind::Program);
        assert_eq!(
            Kind::of(b"MZ is the beginning of a text about Mozambique"),
            Kind::Unknown
        );
        assert_eq!(Kind::of(b"  <?PHP echo 1;"), Kind::Code);
        assert_eq!(Kind::of(b"<?xml version='1.0'?><svg/>"), Kind::Svg);
        assert_eq!(Kind::of(b"\x00\x00\x00\x20ftypavif"), Kind::OtherPicture);
        assert_eq!(Kind::of(b"\x00\x00\x00\x20ftypisom"), Kind::Media);
        assert_eq!(Kind::of(b""), Kind::Unknown);
    }
}
