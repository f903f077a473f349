"""Gates on other machines: how they enrol, prove who they are, and are shut out."""
