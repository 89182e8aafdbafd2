"""An emulated Raspberry-class board: Debian arm64 with systemd in QEMU, edgekit installed on it.

`image.sh` builds the disk once and keeps it; `machine` boots it, talks to it over SSH, and cuts
its power. `python -m tools.board_vm` does either by hand.
"""
