//! What names mean to a script in a page.

/// What a name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function that shows text or runs it, by a name that nothing else has.
    Shows,
    /// One whose name other things have too, where it is a member of theirs.
    Asks,
    /// A function that runs text or another function later.
    Later,
    /// It sends something, or loads a script.
    Sends,
    /// What makes functions of text.
    Builds,
    /// It makes HTML of text.
    Writes,
    /// `$`: it selects parts of the page.
    Selects,
    /// It puts HTML into what was selected.
    Places,
    /// It finds or makes parts of the page, and changes nothing by that.
    Finds,
    /// `location`: setting it leads elsewhere, or runs a script.
    Location,
    /// `document`.
    Document,
    /// Another object of the page's.
    Page,
    /// A frame, by a name that other languages have too.
    Frame,
    /// It was written with escapes.
    Escaped,
    /// A keyword that stands before an operand.
    Prefix,
    /// One that stands between two.
    Infix,
    /// One that a bracket follows.
    Head,
    /// Any other.
    Other,
}

/// What a name is for.
pub(super) fn kind(word: &[u8]) -> Kind {
    match word {
        b"alert" | b"eval" | b"execScript" | b"Function" => Kind::Shows,
        b"confirm" | b"prompt" => Kind::Asks,
        b"setTimeout"
        | b"setInterval"
        | b"setImmediate"
        | b"msSetImmediate"
        | b"requestAnimationFrame"
        | b"requestIdleCallback"
        | b"queueMicrotask" => Kind::Later,
        b"fetch" | b"XMLHttpRequest" | b"WebSocket" | b"EventSource" | b"sendBeacon"
        | b"importScripts" | b"getScript" | b"Worker" | b"SharedWorker" | b"WebTransport"
        | b"BroadcastChannel" | b"RTCPeerConnection" | b"executeScript" | b"openExternal" => {
            Kind::Sends
        }
        b"constructor" => Kind::Builds,
        b"innerHTML"
        | b"outerHTML"
        | b"srcdoc"
        | b"insertAdjacentHTML"
        | b"createContextualFragment"
        | b"setHTMLUnsafe"
        | b"parseHTMLUnsafe"
        | b"setHTML"
        | b"dangerouslySetInnerHTML"
        | b"createHTML"
        | b"createScript"
        | b"createScriptURL"
        | b"bypassSecurityTrustHtml"
        | b"unsafeHTML"
        | b"unsafeSVG" => Kind::Writes,
        b"$" | b"jQuery" => Kind::Selects,
        b"html" | b"append" | b"prepend" | b"after" | b"before" | b"wrap" | b"replaceWith"
        | b"appendTo" => Kind::Places,
        b"getElementById"
        | b"querySelector"
        | b"querySelectorAll"
        | b"getElementsByName"
        | b"getElementsByClassName"
        | b"getElementsByTagName"
        | b"createElement"
        | b"createTextNode" => Kind::Finds,
        b"location" => Kind::Location,
        b"document" => Kind::Document,
        b"top" | b"self" | b"parent" | b"frames" | b"opener" => Kind::Frame,
        b"window" | b"globalThis" | b"navigator" | b"localStorage" | b"sessionStorage"
        | b"indexedDB" | b"customElements" | b"trustedTypes" => Kind::Page,
        b"new" | b"typeof" | b"void" | b"delete" | b"throw" | b"return" | b"await" | b"yield"
        | b"async" | b"var" | b"let" | b"const" | b"case" | b"else" | b"do" | b"try"
        | b"static" | b"get" | b"set" | b"export" | b"default" | b"import" | b"function"
        | b"class" | b"finally" => Kind::Prefix,
        b"in" | b"of" | b"instanceof" | b"extends" | b"from" | b"as" => Kind::Infix,
        b"if" | b"for" | b"while" | b"switch" | b"catch" | b"with" => Kind::Head,
        _ => Kind::Other,
    }
}
