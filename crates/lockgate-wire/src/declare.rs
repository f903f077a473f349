//! One way to declare the reasons of a room: each becomes a documented static
//! and a member of the list, so that none can be forgotten in the docs.

/// Declares reasons as `pub static`s and collects them in `pub static REASONS`.
///
/// A room and whose fault it is, then its reasons: name, code, status, title,
/// advice. A file may declare those of several rooms.
#[macro_export]
macro_rules! reasons {
    ($($room:literal, $fault:ident: $($name:ident = $code:literal, $status:literal, $title:literal, $advice:literal;)+)+) => {
        $($(
            #[doc = $title]
            pub static $name: $crate::reason::Reason = $crate::reason::Reason {
                code: $code,
                status: $status,
                title: $title,
                room: $room,
                fault: $crate::reason::Fault::$fault,
                advice: $advice,
            };
        )+)+

        /// Every reason declared here.
        pub static REASONS: &[$crate::reason::ReasonRef] = &[$($(&$name),+),+];
    };
}
