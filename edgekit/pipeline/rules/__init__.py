"""Rules over predictions: a small expression language, facts, durations and cool-down."""
