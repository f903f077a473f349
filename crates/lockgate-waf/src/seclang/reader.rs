//! Files are read, directive by directive.

use std::cell::Cell;

use super::actions::{self, Actions, Said};
use super::assembly::{Assembly, Draft};
use super::codes::Code;
use super::directives;
use super::errors::{located, Errors, Fault, LoadError};
use super::exclusions::which;
use super::files::{is_pattern, joined, matching, Files};
use super::language::actions::{Word as ActionWord, ANSWERED};
use super::language::directives::{Word, DIRECTIVES};
use super::language::Kind;
use super::lines::{words, Directive, Lines};
use super::operators;
use super::targets::targets;
use super::text::Text;
use super::Limits;
use crate::rule::{Disruptive, Item, Notice, Operator, Place, Rules, Test, Which};

/// What reading a directive may ask for.
pub(super) struct Context<'a> {
    /// What may be read.
    pub files: &'a dyn Files,
    pub limits: &'a Limits,
    /// The file that is read.
    pub file: &'a str,
    /// How many words lists may still have.
    pub words: Cell<usize>,
}

/// Reads files.
pub(super) struct Reader<'a> {
    files: &'a dyn Files,
    limits: &'a Limits,
    rules: Rules,
    errors: Errors,
    assembly: Assembly,
    /// The files that include what is read, and it.
    stack: Vec<String>,
    bytes_left: usize,
    words_left: usize,
    rules_left: usize,
    targets_left: usize,
    updates_left: usize,
}

impl<'a> Reader<'a> {
    pub fn new(files: &'a dyn Files, limits: &'a Limits) -> Self {
        Self {
            files,
            limits,
            rules: Rules::default(),
            errors: Errors::new(limits.errors),
            assembly: Assembly::default(),
            stack: Vec::new(),
            bytes_left: limits.total_bytes,
            words_left: limits.words,
            rules_left: limits.rules,
            targets_left: limits.targets,
            updates_left: limits.updates,
        }
    }

    pub fn read(mut self, entries: &[&str]) -> Result<Rules, Vec<LoadError>> {
        for entry in entries {
            let found = self.named("", entry, false);
            match found {
                Ok(names) => {
                    for name in names {
                        if let Err((code, message)) = self.file(&name) {
                            self.errors.add_file(&name, code, message);
                        }
                    }
                }
                Err((code, message)) => self.errors.add_file(entry, code, message),
            }
        }
        let (notices, errors) = self.assembly.tell_idle();
        self.rules.notices.extend(notices);
        let (items, skips) = self.assembly.finish();
        self.rules.items = items;
        for error in errors.into_iter().chain(skips) {
            self.errors.push(error);
        }
        if self.errors.is_empty() {
            Ok(self.rules)
        } else {
            Err(self.errors.into_told())
        }
    }

    /// The files that `path` means, as the file `from` says it.
    fn named(&self, from: &str, path: &str, optional: bool) -> Result<Vec<String>, (Code, String)> {
        let Some(name) = joined(from, path) else {
            return Err((
                Code::PathOutside,
                format!("`{path}` leaves the folder of the rules."),
            ));
        };
        if is_pattern(&name) {
            let found = matching(self.files, &name);
            if found.is_empty() && !optional {
                return Err((
                    Code::FileNotFound,
                    format!("No file is called `{name}`. IncludeOptional reads files where they are there."),
                ));
            }
            return Ok(found.into_iter().map(str::to_owned).collect());
        }
        if self.files.bytes(&name).is_none() {
            if optional {
                return Ok(Vec::new());
            }
            return Err((
                Code::FileNotFound,
                format!("There is no file `{name}`. A path is meant from the folder of the file that names it."),
            ));
        }
        Ok(vec![name])
    }

    /// Reads a file; what is wrong with it as a whole.
    fn file(&mut self, name: &str) -> Result<(), (Code, String)> {
        let limits = self.limits;
        if self.stack.iter().any(|file| file == name) {
            return Err((
                Code::IncludeCycle,
                format!(
                    "`{name}` includes itself, by way of {}.",
                    self.stack.join(", ")
                ),
            ));
        }
        let too_much = |message: String| Err((Code::TooMuch, message));
        if self.stack.len() > limits.include_depth {
            return too_much(format!(
                "Files include files {} deep at most.",
                limits.include_depth
            ));
        }
        if self.rules.files.len() >= limits.files {
            return too_much(format!("More than {} files are read.", limits.files));
        }
        let files = self.files;
        let Some(bytes) = files.bytes(name) else {
            return Err((Code::FileNotFound, format!("There is no file `{name}`.")));
        };
        if bytes.len() > limits.file_bytes {
            let length = bytes.len();
            return too_much(format!(
                "It has {length} bytes; {} are allowed.",
                limits.file_bytes
            ));
        }
        match self.bytes_left.checked_sub(bytes.len()) {
            Some(left) => self.bytes_left = left,
            None => {
                return too_much(format!(
                    "All files together have more than {} bytes.",
                    limits.total_bytes
                ))
            }
        }
        let index = u32::try_from(self.rules.files.len()).unwrap_or(u32::MAX);
        self.rules.files.push(name.into());
        self.stack.push(name.to_owned());
        for directive in Lines::new(name, &bytes) {
            self.directive(&directive, index);
        }
        if let Some(error) = self.assembly.close() {
            self.errors.push(error);
        }
        self.stack.pop();
        Ok(())
    }

    fn directive(&mut self, directive: &Directive<'_>, file: u32) {
        let mut faults = Vec::new();
        if directive.bytes.len() > self.limits.directive_bytes {
            faults.push(Fault::new(
                0,
                Code::TooMuch,
                format!(
                    "A directive has {} bytes at most.",
                    self.limits.directive_bytes
                ),
            ));
        } else {
            match words(directive.text()) {
                Ok(words) => self.known(directive, file, &words, &mut faults),
                Err(fault) => {
                    faults.push(fault);
                    // Whether a chain goes on cannot be told: nothing is said of it.
                    self.assembly.close();
                }
            }
        }
        for fault in faults {
            self.errors.add(directive, fault);
        }
    }

    fn known(
        &mut self,
        directive: &Directive<'_>,
        file: u32,
        words: &[Text<'_>],
        faults: &mut Vec<Fault>,
    ) {
        let Some((first, arguments)) = words.split_first() else {
            return;
        };
        let name = *first;
        let Some((known, word, _)) = DIRECTIVES.iter().find(|(known, _, _)| name.is(known)) else {
            let help = match name.bytes.first() {
                Some(b'<') => " Sections are for Apache: leave their lines out.",
                _ => "",
            };
            faults.push(Fault::misspelt(
                name,
                Kind::Directive,
                Code::UnknownDirective,
                format!("There is no directive `{}`.{help}", name.shown()),
            ));
            return;
        };
        let place = Place {
            file,
            line: directive.place(name.at).0,
        };
        if !matches!(word, Word::Rule | Word::Action) {
            if let Some(error) = self.assembly.close() {
                self.errors.push(error);
            }
        }
        let read = match *word {
            Word::Rule => {
                self.rule(directive, place, arguments, faults);
                Ok(())
            }
            Word::Action => {
                self.action(directive, place, name, arguments, faults);
                Ok(())
            }
            Word::Marker => directives::one(name, arguments).map(|marker| {
                self.assembly.items.push(Some(Item::Marker(marker.kept())));
            }),
            Word::DefaultAction => directives::one(name, arguments).map(|list| {
                let actions = actions::actions(list, self.limits, faults);
                self.note_actions(place, &actions);
                self.assembly.defaults.set(name.at, actions, faults);
            }),
            Word::RemoveById | Word::RemoveByTag | Word::RemoveByMsg => {
                self.remove(directive, place, known, *word, name, arguments)
            }
            Word::UpdateTargetById | Word::UpdateTargetByTag | Word::UpdateTargetByMsg => {
                self.update_targets(directive, place, known, *word, name, arguments, faults)
            }
            Word::UpdateActionById => {
                self.update_actions(directive, place, name, arguments, faults)
            }
            Word::Include | Word::IncludeOptional => {
                let optional = *word == Word::IncludeOptional;
                directives::one(name, arguments)
                    .and_then(|path| self.include(directive, path, optional))
            }
            Word::ComponentSignature => directives::one(name, arguments)
                .map(|signature| self.rules.signatures.push(signature.kept())),
            Word::Noted(shape, instead) => {
                directives::noted(shape, name, arguments).map(|()| self.note(place, known, instead))
            }
            Word::Only(wanted, instead) => directives::only(wanted, instead, name, arguments)
                .map(|()| self.note(place, known, instead)),
            Word::Refused(why) => Err(Fault::new(
                name.at,
                Code::UnsupportedDirective,
                format!("{known} cannot be followed: {why}."),
            )),
            setting => {
                let settings = &mut self.rules.settings;
                directives::setting(setting, name, arguments, settings)
                    .map(|_| settings.said.push(((*known).into(), place)))
            }
        };
        faults.extend(read.err());
    }

    fn note(&mut self, place: Place, name: &str, instead: &'static str) {
        self.rules.notices.push(Notice {
            place,
            directive: name.into(),
            instead,
            matters: false,
        });
    }

    fn note_actions(&mut self, place: Place, actions: &Actions) {
        let passes = matches!(actions.disruptive, Some(Said::Is(Disruptive::Pass)));
        for (action, _) in &actions.said {
            let matters = match action.word {
                ActionWord::Noted(instead) => {
                    self.note(place, action.name, instead);
                    false
                }
                ActionWord::Status => !passes && actions.status != Some(403),
                ActionWord::Drop | ActionWord::Redirect => true,
                _ => false,
            };
            if matters {
                self.rules.notices.push(Notice {
                    place,
                    directive: action.name.into(),
                    instead: ANSWERED,
                    matters,
                });
            }
        }
    }

    fn rule(
        &mut self,
        directive: &Directive<'_>,
        place: Place,
        arguments: &[Text<'_>],
        faults: &mut Vec<Fault>,
    ) {
        let mut more = arguments.iter().skip(2);
        if let Some(comment) = more.find(|word| word.bytes.starts_with(b"#")) {
            let help = "A comment cannot stand in a rule, nor between its lines.";
            faults.push(Fault::new(comment.at, Code::StrayText, help));
            return;
        }
        let (targets_text, operator, list) = match arguments {
            [targets, operator] => (*targets, *operator, None),
            [targets, operator, list] => (*targets, *operator, Some(*list)),
            [_, _, _, more, ..] => {
                let help = "A rule has targets, an operator and a list of actions: put each in quotation marks.";
                faults.push(Fault::new(more.at, Code::StrayText, help));
                return;
            }
            _ => {
                faults.push(Fault::new(
                    directive.bytes.len(),
                    Code::MissingArgument,
                    "A rule needs targets and an operator, as in SecRule ARGS \"@contains x\" \"id:1,deny\".",
                ));
                return;
            }
        };
        let found = targets(targets_text, self.limits, faults);
        self.take_targets(found.len(), targets_text.at, faults);
        let context = Context {
            files: self.files,
            limits: self.limits,
            file: directive.file,
            words: Cell::new(self.words_left),
        };
        let test = operators::test(operator, &context);
        self.words_left = context.words.get();
        let test = test.unwrap_or_else(|fault| {
            faults.push(fault);
            Test {
                negated: false,
                operator: Operator::NoMatch,
            }
        });
        self.assemble(directive, place, found, test, list, faults);
    }

    fn action(
        &mut self,
        directive: &Directive<'_>,
        place: Place,
        name: Text<'_>,
        arguments: &[Text<'_>],
        faults: &mut Vec<Fault>,
    ) {
        match directives::one(name, arguments) {
            Ok(list) => {
                let test = Test {
                    negated: false,
                    operator: Operator::UnconditionalMatch,
                };
                self.assemble(directive, place, Vec::new(), test, Some(list), faults);
            }
            Err(fault) => faults.push(fault),
        }
    }

    fn assemble(
        &mut self,
        directive: &Directive<'_>,
        place: Place,
        targets: Vec<crate::rule::Target>,
        test: Test,
        list: Option<Text<'_>>,
        faults: &mut Vec<Fault>,
    ) {
        match self.rules_left.checked_sub(1) {
            Some(left) => self.rules_left = left,
            None => {
                let most = self.limits.rules;
                let message = format!("There are more than {most} rules.");
                faults.push(Fault::new(0, Code::TooMuch, message));
                return;
            }
        }
        let actions = list.map_or_else(Actions::default, |list| {
            actions::actions(list, self.limits, faults)
        });
        self.note_actions(place, &actions);
        let draft = Draft {
            place,
            targets,
            test,
            actions,
        };
        let files = &self.rules.files;
        self.assembly
            .add(draft, faults, files, |fault| located(directive, fault));
    }

    fn take_targets(&mut self, count: usize, at: usize, faults: &mut Vec<Fault>) {
        match self.targets_left.checked_sub(count) {
            Some(left) => self.targets_left = left,
            None => {
                let most = self.limits.targets;
                let message = format!("All rules together have more than {most} targets.");
                faults.push(Fault::new(at, Code::TooMuch, message));
            }
        }
    }

    fn include(
        &mut self,
        directive: &Directive<'_>,
        path: Text<'_>,
        optional: bool,
    ) -> Result<(), Fault> {
        let fault = |(code, message): (Code, String)| Fault::new(path.at, code, message);
        let Ok(text) = std::str::from_utf8(path.bytes) else {
            return Err(Fault::new(
                path.at,
                Code::BadValue,
                "A path has to be UTF-8.",
            ));
        };
        for name in self.named(directive.file, text, optional).map_err(fault)? {
            self.file(&name).map_err(fault)?;
        }
        Ok(())
    }

    /// One more directive that changes rules above it.
    fn take_update(&mut self, at: usize) -> Result<(), Fault> {
        match self.updates_left.checked_sub(1) {
            Some(left) => {
                self.updates_left = left;
                Ok(())
            }
            None => Err(Fault::new(
                at,
                Code::TooMuch,
                format!(
                    "More than {} directives change rules above them.",
                    self.limits.updates
                ),
            )),
        }
    }

    fn which(&self, word: Word, name: Text<'_>, texts: &[Text<'_>]) -> Result<Which, Fault> {
        let Some(first) = texts.first() else {
            return Err(Fault::new(
                name.at + name.bytes.len(),
                Code::MissingArgument,
                format!("Which rules {} means is missing.", name.shown()),
            ));
        };
        match word {
            Word::RemoveByTag | Word::UpdateTargetByTag => {
                which::pattern(*first, self.limits).map(Which::Tag)
            }
            Word::RemoveByMsg | Word::UpdateTargetByMsg => {
                which::pattern(*first, self.limits).map(Which::Message)
            }
            _ => which::ids(texts),
        }
    }

    fn remove(
        &mut self,
        directive: &Directive<'_>,
        place: Place,
        known: &str,
        word: Word,
        name: Text<'_>,
        arguments: &[Text<'_>],
    ) -> Result<(), Fault> {
        self.take_update(name.at)?;
        if word != Word::RemoveById && arguments.len() > 1 {
            directives::one(name, arguments)?;
        }
        let which = self.which(word, name, arguments)?;
        let error = located(directive, too_early(name.at));
        self.assembly.remove(which, place, known, error);
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "what a directive is made of")]
    fn update_targets(
        &mut self,
        directive: &Directive<'_>,
        place: Place,
        known: &str,
        word: Word,
        name: Text<'_>,
        arguments: &[Text<'_>],
        faults: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        self.take_update(name.at)?;
        let (rules, list, replaced) = match arguments {
            [rules, list] => (*rules, *list, None),
            [rules, list, replaced] => (*rules, *list, Some(*replaced)),
            _ => {
                return Err(Fault::new(
                    name.at + name.bytes.len(),
                    Code::MissingArgument,
                    format!("{known} needs two arguments, or three: which rules, targets, and the targets that they replace."),
                ))
            }
        };
        let which = self.which(word, name, &[rules])?;
        let before = faults.len();
        let found = targets(list, self.limits, faults);
        let replaced = replaced.map_or_else(Vec::new, |list| targets(list, self.limits, faults));
        if faults.len() > before {
            return Ok(());
        }
        let error = located(directive, too_early(name.at));
        let rules = self.assembly.meant(which, place, known, error);
        self.take_targets(rules.len().saturating_mul(found.len()), list.at, faults);
        if faults.len() == before {
            self.assembly.update_targets(&rules, &found, &replaced);
        }
        Ok(())
    }

    fn update_actions(
        &mut self,
        directive: &Directive<'_>,
        place: Place,
        name: Text<'_>,
        arguments: &[Text<'_>],
        faults: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        self.take_update(name.at)?;
        let [which, list] = arguments else {
            return Err(Fault::new(
                name.at + name.bytes.len(),
                Code::MissingArgument,
                "SecRuleUpdateActionById needs two arguments: the rule's id, and actions.",
            ));
        };
        let (id, link) = match which.split_at_byte(b':') {
            Some((id, link)) => (id.number(), link.number()),
            None => (which.number(), Some(0)),
        };
        let (Some(id), Some(link)) = (id, link.and_then(|link| usize::try_from(link).ok())) else {
            return Err(Fault::new(
                which.at,
                Code::BadValue,
                "Write a rule's id, or its id and a link of its chain, as in 942100 or 942100:1.",
            ));
        };
        let before = faults.len();
        let actions = actions::actions(*list, self.limits, faults);
        if faults.len() > before {
            return Ok(());
        }
        self.note_actions(place, &actions);
        self.assembly
            .update_actions(id, link, actions, which.at, |fault| {
                located(directive, fault)
            })
    }
}

fn too_early(at: usize) -> Fault {
    Fault::new(
        at,
        Code::UpdateTooEarly,
        "This changes rules above it, and the rules that it names stand below: move it behind them.",
    )
}
