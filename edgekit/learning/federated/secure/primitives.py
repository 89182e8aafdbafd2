"""The cryptography that secure aggregation stands on: wrappers round the library `cryptography`.

X25519 (RFC 7748), HKDF-SHA256 (RFC 5869), ChaCha20 and ChaCha20-Poly1305 (RFC 8439).
"""

from functools import cache
from importlib import import_module
from typing import Any

from edgekit.errors import InputError

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


class KeyPair:
    """A key pair of X25519, from 32 random bytes: what goes out, and what two pairs share.

    Args:
        private: the bytes.

    Raises:
        InputError: `cryptography` is missing.
    """

    def __init__(self, private: bytes) -> None:
        self._private = _part("asymmetric.x25519").X25519PrivateKey.from_private_bytes(private)
        self.public = bytes(self._private.public_key().public_bytes_raw())

    def agreed(self, public: bytes) -> bytes:
        """The secret shared with another pair, 32 bytes; give it to `derived` before use.

        Raises:
            InputError: the public key is a point of low order, of which everybody knows the secret.
        """
        other = _part("asymmetric.x25519").X25519PublicKey.from_public_bytes(public)
        try:
            return bytes(self._private.exchange(other))
        except ValueError as error:
            raise InputError("a public key is no good point of X25519") from error


def derived(secret: bytes, purpose: str, salt: bytes, *context: bytes) -> bytes:
    """A key of 32 bytes; another purpose, salt or context gives one that has nothing to do with it.

    Args:
        secret: of full entropy, 32 bytes.
        purpose: what the key is for.
        salt: names the session.
        context: whom the key is for.
    """
    info = b"".join(
        len(part).to_bytes(2, "big") + part for part in (b"edgekit", purpose.encode(), *context)
    )
    sha256 = _part("hashes").SHA256()
    return bytes(_part("kdf.hkdf").HKDF(sha256, KEY_BYTES, salt, info).derive(secret))


def stream(key: bytes, count: int) -> bytes:
    """So many bytes that nobody tells from random ones without the key. One key, one stream."""
    ciphers = _part("ciphers")
    cipher = ciphers.Cipher(ciphers.algorithms.ChaCha20(key, bytes(16)), None)
    return bytes(cipher.encryptor().update(bytes(count)))


def sealed(key: bytes, plain: bytes, about: bytes, nonce: bytes) -> bytes:
    """The nonce, the encrypted bytes and a tag that covers `about` as well."""
    return nonce + bytes(_part("ciphers.aead").ChaCha20Poly1305(key).encrypt(nonce, plain, about))


def opened(key: bytes, box: bytes, about: bytes) -> bytes:
    """What was sealed.

    Raises:
        InputError: the box is damaged, or was sealed by another key or about something else.
    """
    cipher = _part("ciphers.aead").ChaCha20Poly1305(key)
    try:
        return bytes(cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], about))
    except (ValueError, _exceptions().InvalidTag) as error:
        raise InputError("a sealed message cannot be opened") from error


@cache
def _part(name: str) -> Any:
    return _imported(f"cryptography.hazmat.primitives.{name}")


@cache
def _exceptions() -> Any:
    return _imported("cryptography.exceptions")


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            "secure aggregation needs cryptography: pip install 'edgekit[federated]'"
        ) from error
