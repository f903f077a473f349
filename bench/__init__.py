"""Lockgate's benchmark: CPU, latency, memory and system calls per request, beside five other proxies.

Description
    One origin, one load generator, one proxy at a time. The proxy has a core to
    itself; origin and generator share another. What is measured is the CPU time
    of the proxy's processes divided by the requests they served, round by round,
    every subject in each round, so that a machine's moods fall on all alike.

Example:
    python -m bench --quick
    python -m bench --publish
    python -m bench --sections cpu --rows 'lockgate/*' --rounds 3 --seconds 1
"""
