"""Passwords for boards, and the lines by which mosquitto knows them again."""

import base64
import hashlib
import secrets

_PASSWORD_BYTES = 24
_SALT_BYTES = 12
_ITERATIONS = 1000


def new_password() -> str:
    """192 random bits, as text that survives every shell and file."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def password_line(
    user: str, password: str, *, salt: bytes | None = None, iterations: int = _ITERATIONS
) -> str:
    """A line of mosquitto's `password_file`, in its `$7$` form: PBKDF2 with SHA-512.

    Few rounds do: a password of 192 random bits cannot be guessed, and a broker on a small board
    would spend a second on each connect otherwise.

    Args:
        user: without a colon or a line end.
        password: what the board sends.
        salt: by default random.
        iterations: of PBKDF2.
    """
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    encoded = [base64.b64encode(part).decode() for part in (salt, digest)]
    return f"{user}:$7${iterations}$" + "$".join(encoded)
