"""Sources: what gives samples."""
