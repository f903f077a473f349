//! What can be wrong with rules, each with its code.

macro_rules! codes {
    ($($name:ident $code:literal $says:literal,)+) => {
        /// What is wrong: stable, to branch on and to look up.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $says] $name,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// As it is written, in kebab case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// A short sentence.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self {
                    $(Self::$name => $says,)+
                }
            }
        }
    };
}

codes! {
    FileNotFound "file-not-found" "A file is named that is not there.",
    PathOutside "path-outside" "A path leaves the folder of the rules.",
    IncludeCycle "include-cycle" "A file includes itself.",
    TooMuch "too-much" "A limit of the reader is passed.",
    UnknownDirective "unknown-directive" "There is no such directive.",
    UnsupportedDirective "unsupported-directive" "The directive cannot be followed here.",
    UnclosedQuote "unclosed-quote" "A quotation mark has no counterpart.",
    StrayText "stray-text" "Something stands where nothing may.",
    MissingArgument "missing-argument" "A directive or an operator lacks what it needs.",
    BadValue "bad-value" "A directive cannot have this value.",
    UnknownVariable "unknown-variable" "There is no such variable.",
    UnsupportedVariable "unsupported-variable" "The variable is not to be had here.",
    BadTarget "bad-target" "A target is not written as one.",
    UnknownOperator "unknown-operator" "There is no such operator.",
    UnsupportedOperator "unsupported-operator" "The operator cannot be had here.",
    BadArgument "bad-argument" "The operator cannot have this argument.",
    BadPattern "bad-pattern" "The regular expression is not one.",
    UnsupportedPattern "unsupported-pattern" "The regular expression asks for what takes more than linear time.",
    PatternTooLarge "pattern-too-large" "The regular expression becomes too large.",
    BadMacro "bad-macro" "A macro is not written as one.",
    UnknownMacro "unknown-macro" "A macro names a variable that is not there.",
    UnknownAction "unknown-action" "There is no such action.",
    UnsupportedAction "unsupported-action" "The action cannot be had here.",
    BadAction "bad-action" "The action cannot have this value.",
    UnknownTransformation "unknown-transformation" "There is no such transformation.",
    IdMissing "id-missing" "A rule has no id.",
    IdTwice "id-twice" "Two rules have the same id.",
    StarterOnly "starter-only" "Only the first rule of a chain may say this.",
    ChainUnfinished "chain-unfinished" "A chain has no last rule.",
    UnknownMarker "unknown-marker" "A rule skips to a marker that does not follow.",
    BadDefaults "bad-defaults" "Default actions cannot be these.",
    UpdateTooEarly "update-too-early" "A directive changes rules that stand after it.",
    MoreErrors "more-errors" "There are more errors than are told.",
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
