"""Builds the example firmware of `firmware_bridge/c/examples/mps2`, and runs it in QEMU."""
