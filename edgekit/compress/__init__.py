"""Turns a trained model into a bundle."""
