"""Plan a training run without weights and before anything runs: memory by part, arithmetic and time."""
