"""The board's part in learning from features that several boards have."""
