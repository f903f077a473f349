"""Looking before changing: tables of requests, past events and two configurations held against the gate's engine.

There is no second copy of a rule here. What a request would come to is the
core's to say (`lockgate._native`); this package asks it, counts and tells.
"""
