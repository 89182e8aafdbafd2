"""Cuts the power at every point of an update, and looks what a board comes up with."""
