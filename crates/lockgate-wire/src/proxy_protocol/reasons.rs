//! Why a connection through a load balancer is not taken.

reasons! { "proxy-protocol", Client:
    MISSING = "proxy-protocol-missing", 400,
        "The connection does not begin with a whole PROXY protocol header.",
        "This listener takes connections from a load balancer that sends the header. Switch the PROXY protocol on there, or call the load balancer's address. A header that was begun has to be whole within `limits.head_timeout`.";
    MALFORMED = "proxy-protocol-malformed", 400,
        "The PROXY protocol header is malformed.",
        "The load balancer is at fault; compare what it sends with HAProxy's proxy-protocol.txt, 2.1 and 2.2.";
    TOO_LONG = "proxy-protocol-too-long", 400,
        "The PROXY protocol header is too long.",
        "Make the load balancer send fewer additions: version 1 ends after 107 bytes, and version 2 after 2,064 here.";
    CHECKSUM = "proxy-protocol-checksum", 400,
        "The PROXY protocol header does not fit its checksum.",
        "Something between the load balancer and the gate changes bytes; look for a faulty device or proxy.";
}
