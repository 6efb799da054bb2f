"""Runs of the pipeline beside the working tree: parameters, worktrees, results. The flows call this room."""
