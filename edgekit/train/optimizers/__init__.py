"""Optimisers as graphs."""
