"""What identity providers are asked: their keys, and later sessions and revocations."""
