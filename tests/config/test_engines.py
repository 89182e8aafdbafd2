"""The settings of engines: what fits together, and what is refused by a line."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.config.engines import EngineSettings


def read(**settings: Any) -> EngineSettings:
    return msgspec.convert(settings, EngineSettings)


def test_several_threads_and_providers_are_read() -> None:
    settings = read(engine="auto", threads=[1, 2, 4], providers=["CUDAExecutionProvider"])
    assert settings.threads == (1, 2, 4)
    assert read(threads=2).threads == 2


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"threads": [1, 2]}, "auto"),
        ({"threads": []}, "threads"),
        ({"threads": 65}, "threads"),
        ({"engine": "tensorflow"}, "engine"),
        ({"engine": "auto", "variant": "fp32"}, "auto"),
        ({"engine": "litert", "providers": ["CUDAExecutionProvider"]}, "onnxruntime's"),
        ({"providers": ["cuda"]}, "providers"),
        ({"arena": "yes"}, "arena"),
        ({"thread": 1}, "thread"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        read(**settings)


_values = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.lists(st.integers())


@given(st.dictionaries(st.sampled_from(EngineSettings.__struct_fields__), _values))
def test_anything_is_read_or_refused(settings: dict[str, Any]) -> None:
    try:
        read(**settings)
    except msgspec.ValidationError as error:
        assert str(error)
