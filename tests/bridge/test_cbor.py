import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.bridge.cbor import Malformed, clean, decode, encode

INTEGERS = st.integers(-(2**63), 2**64 - 1)
ITEMS = st.recursive(
    st.none()
    | st.booleans()
    | INTEGERS
    | st.floats(allow_nan=False)
    | st.binary(max_size=40)
    | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(INTEGERS | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


def depth(item: object) -> int:
    if isinstance(item, list):
        return 1 + max(map(depth, item), default=0)
    if isinstance(item, dict):
        return 1 + max(map(depth, item.values()), default=0)
    return 0


@given(ITEMS)
def test_what_is_written_is_read_again(item: object) -> None:
    if depth(item) <= 8:
        assert decode(encode(item)) == item
    else:
        with pytest.raises(Malformed):
            decode(encode(item))


@given(st.binary(max_size=80))
def test_any_bytes_are_read_as_cbor2_reads_them_or_are_malformed(data: bytes) -> None:
    try:
        found = decode(data)
    except Malformed:
        return
    theirs = cbor2.loads(data, str_errors="surrogateescape")
    if not has_odd_keys(theirs):
        assert repr(found) == repr(theirs)


def has_odd_keys(item: object) -> bool:
    """Keys that only another reader can tell apart, or that come twice."""
    if isinstance(item, list | tuple):
        return any(map(has_odd_keys, item))
    if isinstance(item, dict):
        return any(type(key) not in (int, str, bytes) for key in item) or any(
            map(has_odd_keys, item.values())
        )
    return False


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("9bffffffffffffffff", id="an array longer than memory"),
        pytest.param("bb7fffffffffffffff", id="a map longer than memory"),
        pytest.param("5bffffffffffffffff", id="bytes longer than memory"),
        pytest.param("c11a514b67b0", id="a date"),
        pytest.param("d81c81d81d00", id="a list that holds itself"),
        pytest.param("9f01ff", id="a list without an end"),
        pytest.param("81" * 500 + "01", id="lists in lists in lists"),
        pytest.param("3b8000000000000000", id="a number below 64 bits"),
        pytest.param("0101", id="two items"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_not_of_the_subset_is_malformed(data: str) -> None:
    with pytest.raises(Malformed):
        decode(bytes.fromhex(data))


def test_a_key_that_is_true_is_not_the_key_1() -> None:
    assert decode(bytes.fromhex("a201 02 f5 03".replace(" ", ""))) == {1: 2, "True": 3}


def test_text_that_is_not_utf8_is_passed_on_with_marks_in_it() -> None:
    assert clean(decode(b"\x63a\xffb")) == "a\ufffdb"
    assert clean(decode(b"\xa1\x61\xff\x81\x61\xfe")) == {"\ufffd": ["\ufffd"]}
