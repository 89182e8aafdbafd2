"""Keys: encrypted, found, opened, and refused."""

import json
import stat
from pathlib import Path

import pytest

from edgekit.deploy.keys import KeyRing, find_keys, make_key, make_keys
from edgekit.errors import InputError
from tests.deploy.signing import WORDS, passphrase, ring


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder, {"root": 2}, passphrases=passphrase)
    return folder


def test_offline_and_online_keys_lie_apart_and_only_their_owner_reads_them(keys: Path) -> None:
    found = {str(key.path.relative_to(keys)) for key in find_keys([keys])}
    assert found == {
        "offline/root-1.key",
        "offline/root-2.key",
        "offline/targets-1.key",
        "online/snapshot-1.key",
        "online/timestamp-1.key",
    }
    for key in find_keys([keys]):
        assert stat.S_IMODE(key.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(key.path.parent.stat().st_mode) == 0o700
        assert b"ENCRYPTED PRIVATE KEY" in key.path.read_bytes()


def test_what_a_key_signs_its_public_half_verifies(keys: Path) -> None:
    opened = ring(keys)
    key = opened.keys("targets")[0]
    signer = opened.signer(key.public.keyid)
    assert signer is not None
    key.public.verify_signature(signer.sign(b"text"), b"text")


def test_a_wrong_passphrase_says_so_in_one_line(keys: Path) -> None:
    wrong = KeyRing([keys], lambda role: b"battery staple")
    with pytest.raises(InputError, match="the passphrase is wrong, or the file is damaged"):
        wrong.signer(wrong.keys("root")[0].public.keyid)


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs at least 8 bytes"):
        make_key(tmp_path, "root", passphrase=b"short")
    assert not find_keys([tmp_path])


def test_keys_are_not_made_twice(keys: Path) -> None:
    with pytest.raises(InputError, match="holds keys already; rotate them"):
        make_keys(keys, {}, passphrases=passphrase)


def test_a_folder_without_keys_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make them with `edgekit keys init`"):
        ring(tmp_path)


def test_the_next_key_of_a_role_takes_the_next_number(tmp_path: Path) -> None:
    names = [make_key(tmp_path, "targets", passphrase=WORDS).name for _ in range(3)]
    assert names == ["targets-1", "targets-2", "targets-3"]


def test_a_private_half_that_is_elsewhere_is_simply_not_here(tmp_path: Path) -> None:
    key = make_key(tmp_path, "root", passphrase=WORDS)
    key.path.unlink()
    assert ring(tmp_path).signer(key.public.keyid) is None
    assert ring(tmp_path).keys("root") == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keyid": 1}', '{"keyid": "a", "keytype": "x"}'])
def test_a_damaged_public_half_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "root-1.pub").write_text(text)
    with pytest.raises(InputError, match=r"root-1.pub: no public key that can be read"):
        find_keys([tmp_path])


def test_a_private_half_that_belongs_to_another_public_one_is_refused(tmp_path: Path) -> None:
    one = make_key(tmp_path, "root", passphrase=WORDS)
    two = make_key(tmp_path, "root", passphrase=WORDS)
    one.path.write_bytes(two.path.read_bytes())
    with pytest.raises(InputError, match=r"root-1.key: cannot be opened"):
        ring(tmp_path).signer(one.public.keyid)
    assert json.loads(one.path.with_suffix(".pub").read_text())["keytype"] == "ed25519"
