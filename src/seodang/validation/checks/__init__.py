"""Checks and repairs of single rows: pure functions without input or output."""
