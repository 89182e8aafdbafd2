"""Gives each board what it shows a broker, and the broker what lets that board in."""
