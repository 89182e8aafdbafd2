"""The board's half of learning: runs compiled steps on samples that the board kept."""
