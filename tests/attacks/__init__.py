"""Attacks on a gate at the machine's full load, each with its limit and without it, and what a bystander notices."""
