"""The archive reader: what edgekit packs comes out, and nothing else comes in."""

import io
import lzma
import tarfile
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.bundle import Bundle, archive_bytes
from edgekit.errors import BundleError
from edgekit.update.archive import read_archive


def read(data: bytes, *, limit: int = 1 << 20, step: int = 1000) -> dict[str, bytes]:
    chunks = (data[at : at + step] for at in range(0, len(data), step))
    members = read_archive(chunks, limit_bytes=limit, where="it")
    return {member.name: b"".join(member.content) for member in members}


def packed(*members: tarfile.TarInfo, form: int = tarfile.USTAR_FORMAT) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return lzma.compress(raw.getvalue())


def entry(name: str, size: int = 3, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member


@pytest.mark.parametrize("step", [1, 511, 1 << 20])
def test_a_bundle_comes_out_as_it_was_packed(bundles: Mapping[str, Bundle], step: int) -> None:
    bundle = bundles["1.0.0"]
    files = {path.name: path.read_bytes() for path in bundle.path.iterdir()}
    assert read(archive_bytes(bundle), step=step) == files


def test_what_is_not_read_of_a_member_is_passed_over() -> None:
    data = packed(entry("a", 70_000), entry("b", 5), entry("c", 0))
    names = [each.name for each in read_archive([data], limit_bytes=1 << 20, where="it")]
    assert names == ["a", "b", "c"]


def test_long_names_are_put_together() -> None:
    name = "/".join(["a" * 60, "b" * 60, "c" * 60])
    assert list(read(packed(entry(name)))) == [name]


@pytest.mark.parametrize(
    "name", ["../out", "/etc/passwd", "a/../../b", "a//b", "./a", "a\\b", "/".join("a" * 20), "a/"]
)
def test_a_path_that_leaves_the_folder_is_refused(name: str) -> None:
    with pytest.raises(BundleError, match="which is no plain relative path"):
        read(packed(entry(name)))


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, b"S"],
)
def test_links_devices_and_sparse_files_are_refused(kind: bytes) -> None:
    with pytest.raises(BundleError, match="no plain file"):
        read(packed(entry("a", 0, kind)))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_headers_of_other_formats_are_refused(form: int) -> None:
    with pytest.raises(BundleError, match="no plain file"):
        read(packed(entry("a" * 300), form=form))


def test_a_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(BundleError, match="holds a twice"):
        read(packed(entry("a"), entry("a")))


def test_more_than_was_signed_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(BundleError, match=r"unpacks to more than was signed \(1000 bytes\)"):
        read(packed(entry("a", 600), entry("b", 600)), limit=1000)
    with pytest.raises(BundleError, match="more than was signed"):
        read(packed(*(entry(f"f{number}", 0) for number in range(1001))))


def test_an_archive_that_takes_too_much_memory_is_refused() -> None:
    greedy = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 256 << 20}]
    with pytest.raises(BundleError, match="is no archive that can be unpacked"):
        read(lzma.compress(bytes(1024), filters=greedy))


@pytest.mark.parametrize("cut", [0, 1, 30, -1, -20])
def test_an_archive_that_is_cut_off_is_refused(bundles: Mapping[str, Bundle], cut: int) -> None:
    with pytest.raises(BundleError, match="cut off|no archive"):
        read(archive_bytes(bundles["1.0.0"])[:cut])


def test_bytes_behind_the_end_are_refused(bundles: Mapping[str, Bundle]) -> None:
    data = archive_bytes(bundles["1.0.0"])
    for more in (b"x", bytes(4), data):
        for step in (7, 1 << 20):
            with pytest.raises(BundleError, match="bytes behind its end"):
                read(data + more, step=step)


def test_files_behind_the_end_mark_are_refused() -> None:
    one = lzma.decompress(packed(entry("a")))
    with pytest.raises(BundleError, match="has files behind its end"):
        read(lzma.compress(one + one))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=1200), st.integers(1, 700))
def test_any_bytes_are_an_archive_or_are_refused(data: bytes, step: int) -> None:
    for each in (data, lzma.compress(data, preset=0), lzma.compress(data + bytes(1024), preset=0)):
        try:
            found = read(each, step=step)
        except BundleError as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert not any(name.startswith("/") or ".." in name for name in found)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 1023), st.integers(0, 255))
def test_any_header_with_a_byte_changed_is_refused_or_still_plain(at: int, value: int) -> None:
    raw = bytearray(lzma.decompress(packed(entry("folder/a", 9))))
    raw[at] = value
    try:
        found = read(lzma.compress(bytes(raw), preset=0))
    except BundleError:
        return
    assert list(found) == ["folder/a"]
    assert len(found["folder/a"]) == 9
