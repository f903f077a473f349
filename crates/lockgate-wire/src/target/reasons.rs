//! Why a target has no normal form that everyone would agree on.

reasons! { "target", Client:
    FORM = "target-form", 400,
        "The target is not a path.",
        "A path begins with a slash; the whole URL belongs into --url or the request line's absolute-form.";
    BYTE = "target-byte", 400,
        "The target holds a character that may not stand there.",
        "Percent-encode it (RFC 3986, 2.1).";
    TRIPLET = "target-triplet", 400,
        "A percent sign in the path is not followed by two hexadecimal digits.",
        "Write %25 for a percent sign (RFC 3986, 2.1).";
    CONTROL = "target-control", 400,
        "The path holds an encoded control character.",
        "Leave out %00 to %1F and %7F: they end names early in some languages, and lines in logs.";
    OVERLONG = "target-overlong", 400,
        "The path holds UTF-8 in more bytes than a character needs.",
        "Encode the character in its shortest form (RFC 3629, 3).";
    ENCODED_SLASH = "target-encoded-slash", 400,
        "The path holds an encoded slash.",
        "Some servers take %2F for a slash and some do not. Send a slash.";
    BACKSLASH = "target-backslash", 400,
        "The path holds a backslash.",
        "Some servers take a backslash for a slash. Send a slash; or the operator sets backslash for this API.";
    DOUBLE_SLASH = "target-double-slash", 400,
        "The path holds two slashes in a row.",
        "Some servers merge them and some do not. Send one.";
    PATH_PARAMETER = "target-path-parameter", 400,
        "The path holds a semicolon.",
        "Some servers cut a segment off there. Encode it as %3B.";
    HIDDEN_DOTS = "target-hidden-dots", 400,
        "The path hides a dot-segment behind a semicolon (or %3B), an encoded slash or a backslash.",
        "Send the path that is meant, without . and .. in it.";
    DOT_SEGMENT = "target-dot-segment", 400,
        "The path holds a dot-segment.",
        "This API wants paths without . and .. in them. Send the path that is meant.";
    ABOVE_ROOT = "target-above-root", 400,
        "The path climbs above the root.",
        "Send the path that is meant, without .. in it.";
}
