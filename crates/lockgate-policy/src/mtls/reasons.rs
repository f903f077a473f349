//! The reasons of `mtls`.

lockgate_wire::reasons! { "mtls", Client:
    MISSING = "certificate-missing", 401,
        "This API wants a client certificate.",
        "Show a certificate in the TLS handshake. The listener, or the host, has to ask for one: `tls.client_certificates`.";
    EXPIRED = "certificate-expired", 401,
        "The client certificate is not valid at this time.",
        "It ran out while the connection was open, or begins later. Renew it, and connect again.";
    UNKNOWN = "certificate-unknown", 403,
        "This client certificate does not open this API.",
        "The certificate is trusted, and none of its names is one that the API's `mtls` takes. The detail says what was looked for; the event names the certificate.";
}
