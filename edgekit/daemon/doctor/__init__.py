"""`edgekit doctor`: looks at all that a board needs, and says what to do."""
