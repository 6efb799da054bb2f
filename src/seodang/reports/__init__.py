"""Pages about what a stage did, for people."""
