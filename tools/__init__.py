"""What developers run: set-up, the demo and benchmarks. Never installed."""
