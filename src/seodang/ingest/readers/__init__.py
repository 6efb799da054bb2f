"""Detect and read each file format; `seodang.ingest.readers.read` is the entry point."""
