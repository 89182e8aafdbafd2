"""Cuts the power of an emulated board at random moments of updates, and looks at what comes up.

`lab` sets the board up and signs versions; `watch` and `on_board.sh` run there and tell what they
see, which `looking` reads; `cutting` says when to cut, and judges what came up. `services` tries
the systemd units.
"""
