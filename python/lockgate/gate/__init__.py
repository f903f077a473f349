"""The gate process: a small Python host around `lockgate._native.Gate`.

Requests never touch Python. The host holds the link to the control process,
takes signals, and ends the process when the core says that a worker is dead.
It imports neither the store nor the admin API, so that it stays small.
"""
