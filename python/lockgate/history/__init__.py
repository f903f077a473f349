"""What happened, kept longer than the event log's segments: Parquet files by day, read with DuckDB in memory.

The control process writes (`compact`); anybody who may read the state folder
reads (`reader`), while it is written. There is no database file to share, and
so nothing that one could lock the other out of.
"""
