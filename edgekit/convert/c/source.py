"""Writes the header and the source file of a model."""

from dataclasses import dataclass

from edgekit.bundle import Manifest
from edgekit.convert.c import text
from edgekit.convert.c.kernels import kernel_text
from edgekit.convert.c.model import CModel
from edgekit.convert.c.program import Step
from edgekit.convert.c.reading import Tensor

_TYPES = """\
typedef struct ek_grid {
    int16_t zero_point;
    int8_t lowest, highest;
} ek_grid;

typedef struct ek_window {
    int32_t height, width, channels, out_height, out_width, kernel_height, kernel_width;
    int32_t stride_height, stride_width, dilation_height, dilation_width, top, left;
    int8_t padding, is_run;
} ek_window;
"""


@dataclass(frozen=True)
class Writing:
    """What the files of a model say.

    Attributes:
        name: the C identifier that everything begins with.
        model: what is computed.
        manifest: of the bundle.
        labels: one a class, or none.
        short_hash: of the bundle.
    """

    name: str
    model: CModel
    manifest: Manifest
    labels: tuple[str, ...]
    short_hash: str

    @property
    def big(self) -> str:
        """The name that macros begin with."""
        return self.name.upper()

    @property
    def out_type(self) -> str:
        """What `run` gives."""
        return "float" if self.model.gives_floats else "int8_t"

    @property
    def is_anomaly(self) -> bool:
        """Whether the answer is a score with a threshold."""
        return self.manifest.task == "anomaly"

    @property
    def judges(self) -> str:
        """The function that gives the answer to a reading, after the name."""
        return {"anomaly": "score", "classification": "classify"}.get(self.manifest.task, "answer")

    @property
    def keeps_numbers(self) -> bool:
        """Whether the arena holds what `run` gives as floats."""
        return self.is_anomaly and self.model.gives_floats


def header(writing: Writing) -> str:
    """`<name>.h`."""
    model, manifest, name, big = writing.model, writing.manifest, writing.name, writing.big
    source, first, last = model.entry.source, model.entry.target, model.answer.target
    lines = [
        f"/* {text.remark(manifest.name)} {manifest.version}, made by edgekit; edit the model, not "
        "this file.",
        " * Integer arithmetic with LiteRT's results; no heap, no state but the caller's arena. */",
        f"#ifndef {big}_H",
        f"#define {big}_H",
        "",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        "/* What a PREDICTION says of its model. */",
        f"#define {big}_MODEL {text.string(manifest.name)}",
        f"#define {big}_VERSION {text.string(manifest.version)}",
        f"#define {big}_HASH {text.string(writing.short_hash)}",
        "",
        f"#define {big}_INPUT_SIZE {source.size} /* readings: {_shape(source.shape)} */",
        f"#define {big}_INPUT_SCALE {text.real(first.scale)} /* of run's in */",
        f"#define {big}_INPUT_ZERO_POINT ({first.zero_point})",
        f"#define {big}_OUTPUT_SIZE {last.size} /* numbers that run gives */",
    ]
    if not model.gives_floats:
        lines += [
            f"#define {big}_OUTPUT_SCALE {text.real(last.scale)}",
            f"#define {big}_OUTPUT_ZERO_POINT ({last.zero_point})",
        ]
    lines += [f"#define {big}_MACS {model.macs}"]
    if manifest.input.window is not None:
        rule = manifest.input.window
        columns = ", ".join(text.remark(column) for column in rule.columns[:16])
        lines += [
            f"#define {big}_ROWS {rule.length} /* rows a window */",
            f"#define {big}_COLUMNS {len(rule.columns)} /* readings a row: {columns} */",
            f"#define {big}_HOP {rule.hop} /* rows from one window to the next */",
        ]
    if manifest.thresholds is not None and writing.is_anomaly:
        threshold = text.real(manifest.thresholds.anomaly)
        lines += [f"#define {big}_THRESHOLD {threshold} /* a score above it is an anomaly */"]
    if writing.judges == "classify":
        lines += [f"#define {big}_CLASSES {last.size}"]
    numbers = [f"    float numbers[{last.size}];"] if writing.keeps_numbers else []
    lines += [
        "",
        "/* The only memory that is written, apart from what a function is given to fill. Its",
        " * contents mean nothing between two calls. */",
        f"typedef struct {name}_arena {{",
        *numbers,
        f"    int8_t bytes[{max(model.bytes_size, 1)}];",
        f"}} {name}_arena;",
        f"#define {big}_ARENA_BYTES ((uint32_t)sizeof({name}_arena))",
        "",
        *_prototypes(writing),
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def source_text(writing: Writing) -> str:
    """`<name>.c`."""
    model, name = writing.model, writing.name
    kernels = [*model.kernels(), "clamp"]
    body = "\n".join(model.prepare)
    if "ek_nearest" in body:
        kernels.append("nearest")
    if _makes_probabilities(writing):
        kernels.append("softmax")
    calls = "\n".join(
        f"    {_call(model, number, step)};" for number, step in enumerate(model.program.steps)
    )
    unused = "" if "arena->" in calls else "    (void)arena;\n"
    parts = [
        f'/* Made by edgekit: see {name}.h. */\n#include "{name}.h"\n',
        "#include <stddef.h>\n#include <string.h>\n",
        _TYPES,
        kernel_text(kernels),
        "\n".join(model.program.definitions) + "\n",
        f"void {name}_prepare(const {model.entry.c_type} *in, int8_t *out)\n{{\n{body}\n}}\n",
        f"void {name}_run(const int8_t *in, {writing.out_type} *out, {name}_arena *arena)\n"
        f"{{\n{unused}{calls}\n}}\n",
        *_answers(writing),
    ]
    return "\n".join(parts)


def _call(model: CModel, number: int, step: Step) -> str:
    """The text of a step, with its tensors' places."""
    patch = f"arena->bytes + {model.offsets[-1 - number]}" if step.patch else "NULL"
    where = [_place(model, index) for index in step.reads]
    return step.call.format(*where, y=_place(model, step.gives), patch=patch)


def _place(model: CModel, index: int) -> str:
    root = model.program.root(index)
    if root == model.entry.target.index:
        return "in"
    if root == model.program.root(model.answer.target.index):
        return "out"
    return f"arena->bytes + {model.offsets[root]}"


def _prototypes(writing: Writing) -> list[str]:
    name, big, kind = writing.name, writing.big, writing.model.entry.c_type
    gives = "real numbers" if writing.model.gives_floats else "integers"
    lines = [
        f"/* The {big}_INPUT_SIZE integers that stand for as many readings. */",
        f"void {name}_prepare(const {kind} *in, int8_t *out);",
        "",
        f"/* The network: {big}_INPUT_SIZE integers to {big}_OUTPUT_SIZE {gives}; in, out and arena "
        "lie apart. */",
        f"void {name}_run(const int8_t *in, {writing.out_type} *out, {name}_arena *arena);",
        "",
    ]
    if writing.judges == "score":
        lines += [
            f"/* How unusual {big}_INPUT_SIZE readings are, in the unit of {big}_THRESHOLD. */",
            f"float {name}_score(const {kind} *in, {name}_arena *arena);",
            "",
            "/* 1 where a score is above the threshold or not a number, else 0. */",
            f"int {name}_is_anomaly(float score);",
        ]
    elif writing.judges == "classify":
        lines += [
            f"/* The class of {big}_INPUT_SIZE readings, from 0; `scores` gets {big}_CLASSES "
            "probabilities. */",
            f"int32_t {name}_classify(const {kind} *in, float *scores, {name}_arena *arena);",
        ]
        if writing.labels:
            lines += [
                "",
                f"extern const char *const {name}_labels[{len(writing.labels)}]; /* UTF-8 */",
            ]
    else:
        lines += [
            f"/* The model's {big}_OUTPUT_SIZE numbers for {big}_INPUT_SIZE readings. */",
            f"void {name}_answer(const {kind} *in, float *out, {name}_arena *arena);",
        ]
    return lines


def _makes_probabilities(writing: Writing) -> bool:
    is_logits = writing.manifest.output.kind == "logits"
    return writing.judges != "score" and (writing.model.answer.softmax or is_logits)


def _answers(writing: Writing) -> list[str]:
    if writing.judges == "score":
        return [_score(writing)]
    name, kind, last = writing.name, writing.model.entry.c_type, writing.model.answer.target
    given = "scores" if writing.judges == "classify" else "out"
    body = _filled(writing, given)
    if _makes_probabilities(writing):
        body.append(f"    ek_softmax({given}, {last.size});")
    if writing.judges == "answer":
        return [
            f"void {name}_answer(const {kind} *in, float *out, {name}_arena *arena)\n"
            "{\n" + "\n".join(body) + "\n}\n"
        ]
    declared = body[0].strip().startswith("int32_t")
    lines = [*body[: int(declared)], *([] if declared else ["    int32_t i;"]),
             "    int32_t best = 0;", *body[int(declared) :],
             f"    for (i = 1; i < {last.size}; ++i) {{",
             "        best = scores[i] > scores[best] ? i : best;", "    }", "    return best;"]  # fmt: skip
    texts = [
        f"int32_t {name}_classify(const {kind} *in, float *scores, {name}_arena *arena)\n"
        "{\n" + "\n".join(lines) + "\n}\n"
    ]
    if writing.labels:
        texts.insert(0, text.strings(f"{name}_labels", writing.labels) + "\n")
    return texts


def _filled(writing: Writing, given: str) -> list[str]:
    """Statements that run the network on `in`, and leave its real numbers in `given`."""
    model, name = writing.model, writing.name
    last = model.answer.target
    first = f"arena->bytes + {model.offsets[model.entry.target.index]}"
    prepare = f"    {name}_prepare(in, {first});"
    if model.gives_floats:
        return [prepare, f"    {name}_run({first}, {given}, arena);"]
    out = f"arena->bytes + {model.offsets[model.program.root(last.index)]}"
    return [
        "    int32_t i;",
        prepare,
        f"    {name}_run({first}, {out}, arena);",
        f"    for (i = 0; i < {last.size}; ++i) {{",
        f"        {given}[i] = {_real(out, last)};",
        "    }",
    ]


def _score(writing: Writing) -> str:
    model, name, big = writing.model, writing.name, writing.big
    entry, last = model.entry, model.answer.target
    first = f"arena->bytes + {model.offsets[entry.target.index]}"
    if model.gives_floats:
        out, value = "arena->numbers", "arena->numbers[i]"
    else:
        out = f"arena->bytes + {model.offsets[model.program.root(last.index)]}"
        value = _real(out, last)
    lines = []
    if writing.manifest.output.kind == "reconstruction":
        original = "(float)in[i]"
        if model.keeps_input:
            original = _real(first, entry.target)
        result = f"sum / {last.size}.0f"
        loop = [f"        const float rest = {original} - {value};", "        sum += rest * rest;"]
        start = "    float sum = 0.0f;"
    elif model.gives_floats:
        start, loop = "    float sum = 0.0f;", [f"        sum += {value};"]
        result = f"sum / {last.size}.0f"
    else:
        start, loop = "    int32_t sum = 0;", [f"        sum += ({out})[i] - ({last.zero_point});"]
        result = f"(float)sum * {text.real(last.scale)} / {last.size}.0f"
    lines = [
        start,
        "    int32_t i;",
        f"    {name}_prepare(in, {first});",
        f"    {name}_run({first}, {out}, arena);",
        f"    for (i = 0; i < {last.size}; ++i) {{",
        *loop,
        "    }",
        f"    return {result};",
    ]
    return (
        f"float {name}_score(const {entry.c_type} *in, {name}_arena *arena)\n"
        "{\n" + "\n".join(lines) + "\n}\n\n"
        f"int {name}_is_anomaly(float score)\n"
        f"{{\n    return !(score <= {big}_THRESHOLD);\n}}\n"
    )


def _real(place: str, tensor: Tensor) -> str:
    """The real number that the integer `i` at a place stands for."""
    return f"(float)(({place})[i] - ({tensor.zero_point})) * {text.real(tensor.scale)}"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
