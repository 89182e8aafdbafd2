"""The serial link to microcontrollers; `firmware_bridge/protocol.md` is what both ends speak.

Framing, packets, the clock and the link are pure: bytes and times go in, bytes and values come out.
Only pipes and ports touch hardware. Libraries are imported where they are used: a board without a
microcontroller needs none of them.
"""
