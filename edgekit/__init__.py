"""edgekit shrinks trained models for IoT boards, and runs them there."""

__version__ = "0.1.0"
