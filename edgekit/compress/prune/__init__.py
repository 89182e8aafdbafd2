"""Takes weights and whole channels out of a model."""
