"""The settings of what runs a pipeline's model. `docs/engines.md` has the meaning of each."""

from typing import Annotated, Literal

import msgspec

from edgekit.config.table import Table

EngineSetting = Literal["onnxruntime", "litert", "auto"]
ThreadCount = Annotated[int, msgspec.Meta(ge=1, le=64)]
ThreadCounts = Annotated[tuple[ThreadCount, ...], msgspec.Meta(min_length=1, max_length=8)]
Provider = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z][A-Za-z0-9]{0,62}ExecutionProvider\Z")]
VariantSetting = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_-]{0,31}\Z")]


class EngineSettings(Table, frozen=True, kw_only=True):
    """How a pipeline's bundle is run.

    Attributes:
        engine: what runs it: by default the first that the bundle names; `auto` times all that
            pass the golden check on this board and keeps the fastest.
        variant: which form of the model, where that is not left to `auto`; `main` by default.
        threads: how many compute; several only with `auto`, which tries each.
        providers: onnxruntime's execution providers, the most wanted first.
        arena: whether onnxruntime keeps freed memory for the next run.
    """

    engine: EngineSetting | None = None
    variant: VariantSetting | None = None
    threads: ThreadCount | ThreadCounts | None = None
    providers: Annotated[tuple[Provider, ...], msgspec.Meta(max_length=8)] = ()
    arena: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.threads, tuple) and self.engine != "auto":
            raise ValueError('threads: several are for engine = "auto", which tries each')
        if self.variant is not None and self.engine == "auto":
            raise ValueError('variant: engine = "auto" chooses it; name an engine, or leave it out')
        if self.providers and self.engine == "litert":
            raise ValueError("providers: are onnxruntime's, and engine is litert")
