"""What the policy `waf` found in a request, and what an exclusion would come to."""
