//! Why a handshake comes to nothing. What is closed before there is a request
//! gets an alert and no HTTP answer; it is counted, and an event tells of it.

lockgate_wire::reasons! { "tls", Client:
    PLAIN_HTTP = "tls-plain-http", 400,
        "This port speaks HTTPS.",
        "The request came without TLS. Ask again with https:// and the same port.";
    NOT_TLS = "tls-not-tls", 400,
        "This is not TLS.",
        "What the client sent is no TLS handshake. Something else speaks to this port, or a proxy in front sends the PROXY protocol: the listener wants `proxy_protocol: true`, and the proxy's address among its `trusted_proxies`.";
    TOO_OLD = "tls-version-too-old", 400,
        "The client offers no TLS version that is taken.",
        "TLS 1.2 is the oldest that Lockgate speaks; the listener's `tls.minimum` may want 1.3. Renew the client.";
    NOTHING_COMMON = "tls-nothing-in-common", 400,
        "The client offers no cipher, curve or protocol that is taken.",
        "Client and listener share no way to speak: `lockgate tls audit` shows the versions that the listener takes, and a cipher and a group that a client of today agrees on with it.";
    NAME_UNKNOWN = "tls-name-unknown", 400,
        "No certificate is good for this name.",
        "The client asked for a host that none of the listener's certificates names. Add a certificate for it, or mend the client's address.";
    CERTIFICATE_MISSING = "tls-client-certificate-missing", 400,
        "A client certificate is wanted.",
        "This host asks each client for a certificate, and none was shown. Configure one in the client.";
    CERTIFICATE_REFUSED = "tls-client-certificate-refused", 400,
        "The client certificate is not trusted.",
        "It was issued by nobody whom `client_certificates.trust` names, or may not be used by clients. It has to be made for them: no authority's own, with `clientAuth` where it says what it is for.";
    CERTIFICATE_EXPIRED = "tls-client-certificate-expired", 400,
        "The client certificate is not valid at this time.",
        "It, or one that vouches for it, has expired or is not valid yet. Renew it; if it is new, compare the clocks.";
    CERTIFICATE_TOO_LARGE = "tls-client-certificate-too-large", 400,
        "The client sent too many certificates.",
        "A client shows its own certificate and those between it and the authority: at most 9 in all, of at most 32 KiB.";
    CERTIFICATE_UNKNOWN_STATUS = "tls-client-certificate-status-unknown", 403,
        "Nothing says that the client certificate was not revoked.",
        "`client_certificates.unknown_revocation` is `deny`, and no revocation list of its issuer is there, the list is out of date, or its issuer's OCSP responder gave no answer that holds: `lockgate status` says why. With `ocsp`, also, whatever `unknown_revocation` is: the control process found no way from the certificate to an authority of `trust` in what the client showed, or failed; its log says why (`client-certificate-not-good`). Bring in a new list: the gate takes it up by itself.";
    CERTIFICATE_REVOKED = "tls-client-certificate-revoked", 403,
        "The client certificate was revoked.",
        "A revocation list of the listener names it, or its issuer's OCSP responder does. Get a new certificate from who issued it.";
    CERTIFICATE_NOT_TAKEN = "tls-certificate-not-taken", 400,
        "The client does not take the gate's certificate.",
        "Its alert says so: it knows no authority that vouches for it, or it wants another name or date. Let the client trust the authority, or show a certificate that it knows; `lockgate certs` lists what is shown for which name.";
    HANDSHAKE_BROKEN = "tls-handshake-broken", 400,
        "The handshake broke off.",
        "The client closed the connection, or sent what TLS does not allow: see the client's own message.";
    HANDSHAKE_TOO_SLOW = "tls-handshake-too-slow", 408,
        "The handshake took too long.",
        "It has to be over within the listener's `limits.handshake_timeout`.";
    PASSTHROUGH_UNCLEAR = "tls-passthrough-unclear", 400,
        "This hello is not carried on.",
        "The name is one of `passthrough`, and the client's hello is longer than 16 KiB, in more than 64 records, or cannot be read in one way alone. Clients of today send 2 KiB at most: see what this one puts into its hello, or what cuts it up on the way.";
    PASSTHROUGH_IDLE = "tls-passthrough-idle", 408,
        "Nothing passed for too long.",
        "The connection was carried on unread, and neither side said anything for the `idle_timeout` of its `passthrough`. Raise that, or let the client send a sign of life now and then.";
    HTTPS_REQUIRED = "https-required", 403,
        "This is only served over HTTPS.",
        "Ask the same with https://. The request named no host, so it cannot be told where.";
    MISDIRECTED = "tls-misdirected", 421,
        "This connection was made for another host.",
        "The host of the request has another certificate, or other rules for client certificates, than the name of the handshake. Open a connection of its own for it.";

    "tls", Gate:
    PASSTHROUGH_ENDED = "tls-passthrough-ended", 503,
        "This name is not carried on any more.",
        "The configuration was changed: the listener has no `passthrough` any more by which the connection went where it goes, or its `ip_filter` leaves the client out. Connect again.";
    PASSTHROUGH_TO_ITSELF = "tls-passthrough-to-itself", 502,
        "This name leads back to the gate.",
        "A target of the `passthrough`'s upstream is an address at which the gate itself listens: what is carried there would come in again, and again. Let `targets` name the server that ends TLS for the name.";
    GATE_EXPIRED = "tls-certificate-expired", 503,
        "The gate's certificate for this name has expired.",
        "It had expired when the gate read it, and what has expired is never shown anew; other names are served. Renew it: the gate takes the new file up by itself. `lockgate status` says which it is.";
    NO_CERTIFICATE = "tls-no-certificate", 503,
        "The gate has no certificate yet.",
        "The listener's certificate could not be read, or has not been issued so far. `lockgate certs` and `lockgate status` say which and why.";
}
