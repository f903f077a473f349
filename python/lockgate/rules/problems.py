"""What goes wrong with rule sets."""


class RulesError(Exception):
    """A rule set cannot be had, or cannot be used; the message says which and why."""
