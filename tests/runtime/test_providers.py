"""Execution providers: what is wanted, as far as it is there and works, and the CPU last."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.bundle import Bundle
from edgekit.runtime.onnx_session import provider_options
from edgekit.runtime.options import CPU
from edgekit.runtime.providers import attempts, open_first
from edgekit.runtime.session import Session

TRT, CUDA = "TensorrtExecutionProvider", "CUDAExecutionProvider"


@pytest.mark.parametrize(
    ("wanted", "available", "tried"),
    [
        ((), (CPU,), [(CPU,)]),
        ((TRT, CUDA), (CPU,), [(CPU,)]),
        ((TRT, CUDA), (TRT, CUDA, CPU), [(TRT, CUDA, CPU), (CUDA, CPU), (CPU,)]),
        ((TRT, CUDA), (CUDA, CPU), [(CUDA, CPU), (CPU,)]),
        ((CPU, CUDA, CUDA), (CUDA, CPU), [(CUDA, CPU), (CPU,)]),
    ],
)
def test_what_is_there_is_tried_in_order_and_the_cpu_last(
    wanted: tuple[str, ...], available: tuple[str, ...], tried: list[tuple[str, ...]]
) -> None:
    assert attempts(wanted, available) == tried


def failing(*bad: str) -> Callable[[tuple[str, ...]], str]:
    def open_with(providers: tuple[str, ...]) -> str:
        if providers[0] in bad:
            raise RuntimeError(f"no {providers[0]}\nhere")
        return providers[0]

    return open_with


def test_a_provider_that_fails_gives_way_to_the_next() -> None:
    opened, missed = open_first((TRT, CUDA), (TRT, CUDA, CPU), failing(TRT))
    assert opened == CUDA
    assert missed == [f"{TRT} does not work: no {TRT} here"]
    opened, missed = open_first((TRT, CUDA), (TRT, CUDA, CPU), failing(TRT, CUDA))
    assert opened == CPU
    assert len(missed) == 2


def test_what_fails_on_the_cpu_too_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=CPU):
        open_first((CUDA,), (CPU,), failing(CPU))


def test_providers_that_are_not_there_are_one_warning_and_the_effective_one_is_told(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = (TRT, "NoSuchExecutionProvider")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            session = Session.open(bundle.path, engine="onnxruntime", providers=wanted)
    assert session.engine.provider == CPU
    (record,) = caplog.records
    assert CPU in record.message
    assert all(f"{name} is not in this build" in record.message for name in wanted)


def test_tensorrts_engines_get_a_folder_or_are_not_kept(tmp_path: Path) -> None:
    told = provider_options(TRT, tmp_path / "state" / "graphs")
    assert Path(told["trt_engine_cache_path"]).is_dir()
    (tmp_path / "file").write_text("")
    assert provider_options(TRT, tmp_path / "file") == {}
    assert provider_options(TRT, None) == provider_options(CUDA, tmp_path) == {}
