"""Our wrappers compute what the RFCs say, and what a second library computes."""

import pytest

from edgekit.errors import InputError
from edgekit.learning.federated.secure.primitives import (
    KeyPair,
    derived,
    opened,
    sealed,
    stream,
)


def test_key_agreement_is_that_of_rfc_7748() -> None:
    alice = KeyPair(bytes(range(32)))
    bob = KeyPair(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    assert alice.agreed(bob.public) == bob.agreed(alice.public)
    assert bob.public.hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    scalar = KeyPair(
        bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    )
    point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    agreed = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    assert scalar.agreed(point).hex() == agreed


def test_the_stream_is_that_of_rfc_8439() -> None:
    """Appendix A.1, the first and second vectors."""
    found = stream(bytes(32), 128).hex()
    assert found.startswith("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7")
    assert found[128:].startswith(
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
    )


def test_a_second_library_computes_the_same() -> None:
    pytest.importorskip("Crypto", reason="pycryptodome is the second library")
    from Crypto.Cipher import ChaCha20, ChaCha20_Poly1305
    from Crypto.Hash import SHA256
    from Crypto.Protocol.DH import (
        import_x25519_private_key,
        import_x25519_public_key,
        key_agreement,
    )
    from Crypto.Protocol.KDF import HKDF

    one, other = KeyPair(bytes(range(32))), KeyPair(bytes(range(1, 33)))
    theirs = key_agreement(
        static_priv=import_x25519_private_key(bytes(range(32))),
        static_pub=import_x25519_public_key(other.public),
        kdf=lambda secret: secret,
    )
    agreed = one.agreed(other.public)
    assert agreed == theirs
    info = b"\0\7edgekit\0\4mask\0\1a\0\1b"
    key = derived(agreed, "mask", b"salt", b"a", b"b")
    assert key == HKDF(agreed, 32, b"salt", SHA256, context=info)
    assert stream(key, 1000) == ChaCha20.new(key=key, nonce=bytes(8)).encrypt(bytes(1000))
    cipher = ChaCha20_Poly1305.new(key=key, nonce=bytes(12))
    cipher.update(b"about")
    assert sealed(key, b"plain", b"about", bytes(12)) == bytes(12) + b"".join(
        cipher.encrypt_and_digest(b"plain")
    )


def test_what_is_sealed_opens_for_the_same_key_and_subject_only() -> None:
    key = bytes(range(32))
    box = sealed(key, b"plain", b"about", bytes(12))
    assert opened(key, box, b"about") == b"plain"
    for wrong in (
        (bytes(32), box, b"about"),
        (key, box, b"another"),
        (key, box[:-1], b"about"),
        (key, b"", b"about"),
        *((key, box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :], b"about") for at in range(33)),
    ):
        with pytest.raises(InputError, match="cannot be opened"):
            opened(*wrong)


def test_purposes_salts_and_contexts_give_keys_of_their_own() -> None:
    secret = bytes(32)
    keys = {
        derived(secret, "a", b"s", b"x", b"y"),
        derived(secret, "b", b"s", b"x", b"y"),
        derived(secret, "a", b"t", b"x", b"y"),
        derived(secret, "a", b"s", b"y", b"x"),
        derived(secret, "a", b"s", b"xy"),
        derived(secret, "a", b"s", b"", b"xy"),
        derived(bytes(31) + b"\1", "a", b"s", b"x", b"y"),
    }
    assert len(keys) == 7
    assert all(len(key) == 32 for key in keys)
