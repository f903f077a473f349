"""How listeners and upstreams speak TLS, as a stranger meets them: graded, with the reason for each point lost."""
