"""What a run of training will take, found out before anything runs and without a weight: memory by part, arithmetic, time."""
