"""Which release may be installed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import BundleError, EdgekitError, InputError
from edgekit.update.choosing import choose, floor_of
from edgekit.update.release import Offer, Release, TargetNote, offer_of, stored_path, version_key

VERSIONS = st.tuples(*[st.integers(0, 12)] * 3).map(lambda parts: ".".join(map(str, parts)))


def release(version: str, *, name: str = "mean") -> Release:
    return Release(name=name, version=version, sha256=f"{abs(hash((name, version))):064x}"[-64:])


def offer(version: str, *, floor: str = "0.0.0", name: str = "mean") -> Offer:
    note = TargetNote(name=name, version=version, floor=floor, digest="0" * 64, unpacked_bytes=1)
    return Offer(release=release(version, name=name), path="x", size_bytes=1, note=note)


def test_versions_are_ordered_by_their_numbers() -> None:
    assert sorted(["1.10.0", "1.9.0", "0.99.99"], key=version_key) == ["0.99.99", "1.9.0", "1.10.0"]


def test_the_newest_is_chosen_where_nothing_is_hinted() -> None:
    offers = [offer("1.9.0"), offer("1.10.0"), offer("9.0.0", name="other")]
    assert choose("mean", offers) == offers[1]


def test_a_version_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"has no version 3.0.0; it has 1.9.0, 1.10.0"):
        choose("mean", [offer("1.10.0"), offer("1.9.0")], wanted="3.0.0")


def test_the_highest_signed_floor_of_a_name_counts_and_no_other_names() -> None:
    offers = [
        offer("1.0.0"),
        offer("2.0.0", floor="1.5.0"),
        offer("9.0.0", floor="9.0.0", name="x"),
    ]
    assert floor_of("mean", offers) == "1.5.0"
    with pytest.raises(BundleError, match=r"below the signed floor 1.5.0; install 1.5.0 or newer"):
        choose("mean", offers, wanted="1.0.0")


def test_the_same_version_with_other_bytes_is_refused() -> None:
    installed = Release(name="mean", version="1.0.0", sha256="f" * 64)
    with pytest.raises(BundleError, match="installed already with other bytes"):
        choose("mean", [offer("1.0.0")], installed=installed)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(VERSIONS, VERSIONS), min_size=1, max_size=6, unique_by=lambda pair: pair[0]),
    st.none() | VERSIONS,
    st.none() | VERSIONS,
    st.none() | VERSIONS,
)
def test_whatever_is_chosen_is_above_the_floor_and_what_is_installed(
    listed: list[tuple[str, str]], wanted: str | None, installed: str | None, refused: str | None
) -> None:
    offers = [offer(version, floor=floor) for version, floor in listed]
    try:
        chosen = choose(
            "mean",
            offers,
            wanted=wanted,
            installed=None if installed is None else release(installed),
            refused=None if refused is None else release(refused),
        )
    except EdgekitError as error:
        assert len(str(error).splitlines()) == 1
        return
    if chosen is None:
        assert installed is not None
        return
    version = chosen.release.version
    assert chosen in offers
    assert wanted in (None, version)
    assert version != refused
    assert version_key(version) >= version_key(floor_of("mean", offers))
    assert installed is None or version_key(version) > version_key(installed)


@settings(deadline=None, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    ),
    st.text(max_size=80),
)
def test_any_note_is_read_or_refused(custom: object, sha256: str) -> None:
    for each in (custom, {"edgekit": custom}):
        try:
            found = offer_of("a/b", size_bytes=1, sha256=sha256, custom=each)
        except BundleError:
            continue
        assert found is None


def test_consistent_snapshots_prefix_the_hash_to_the_file() -> None:
    assert stored_path("mean/mean-1.0.0.tar.xz", "ab") == "mean/ab.mean-1.0.0.tar.xz"
    assert stored_path("plain", "ab") == "ab.plain"
