"""A private OpenSSH server for tests, which are skipped where there is none."""

import pytest

from tools.private_sshd import Sshd, make_key, missing, sshd

__all__ = ["Sshd", "make_key", "need_sshd", "sshd"]


def need_sshd() -> None:
    """Skips the test where there is no OpenSSH."""
    why = missing()
    if why is not None:
        pytest.skip(why)
