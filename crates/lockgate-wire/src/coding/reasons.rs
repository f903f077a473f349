//! What is refused of a packed body.

reasons! {
    "inflate", Client:
    NOT_TAKEN = "coding-not-taken", 415,
        "The request's body is in a content coding that this API does not take.",
        "`Accept-Encoding` of the answer names the codings that it takes. The operator can add some to `inflate.codings`.";
    LAYERS = "coding-layers", 415,
        "The request's body is packed more often than this API takes.",
        "Pack it once. The operator can raise `inflate.layers`.";
    MALFORMED = "coding-malformed", 400,
        "The request's body is not what its content coding says.",
        "It is cut short, has bytes behind its end, fails its check sum, or is in another coding. Bare deflate, several gzip members and several zstd frames are not taken.";
    RATIO = "inflated-ratio", 413,
        "The request's body unpacks to too many times its size.",
        "Send it unpacked. The operator can raise `inflate.ratio`.";
    WINDOW = "inflated-window", 413,
        "The request's body wants more memory to be unpacked than this API gives.",
        "Pack it with a smaller window, as of zstd below level 20 without `--long`. The operator can raise `inflate.window`.";
}
