"""Stages: what turns samples into samples."""
