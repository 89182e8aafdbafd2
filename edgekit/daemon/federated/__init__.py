"""The board's part in learning together: what it keeps, when it takes part, and how."""
