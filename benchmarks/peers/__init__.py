"""Models that ours is compared with: one class each, fitted and asked as `benchmarks/task.py` says."""
