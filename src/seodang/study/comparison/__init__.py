"""Experiments side by side: what DVC knows of them, with the metrics of the gate's rules."""
