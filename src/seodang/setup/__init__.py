"""Propose the params.yaml of a project from its data files; `seodang init` writes it."""
