"""What DVC keeps about a project: its locks, dvc.lock and its cache, and what killed runs leave of them."""
