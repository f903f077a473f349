"""A whole gate in a process of its own, with both its neighbours in the test's hands.

A test is a conversation: it sends bytes as the client, receives them as the
upstream, answers, and looks at what came back. Nothing waits for a time; every
look at a socket has a deadline.
"""
