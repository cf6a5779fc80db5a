"""The one training loop, checkpoints, seeds, progress and Stop."""
