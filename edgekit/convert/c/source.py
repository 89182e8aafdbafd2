"""Writes the source file of a model: kernels, constants, and the calls."""

from edgekit.convert.c import text
from edgekit.convert.c.kernels import kernel_text
from edgekit.convert.c.model import CModel
from edgekit.convert.c.program import Step
from edgekit.convert.c.reading import Tensor
from edgekit.convert.c.writing import Writing

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
    called = kernel_text(kernels)
    unused = "" if "arena->" in calls else "    (void)arena;\n"
    parts = [
        f'/* Made by edgekit: see {name}.h. */\n#include "{name}.h"\n',
        "#include <stddef.h>\n" + ("#include <string.h>\n" if "memcpy(" in called else ""),
        _TYPES,
        called,
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
    texts = [
        f"int32_t {name}_classify(const {kind} *in, float *scores, {name}_arena *arena)\n"
        "{\n    int32_t best = 0;\n" + "\n".join(body) + "\n"
        f"    for (i = 1; i < {last.size}; ++i) {{\n"
        "        best = scores[i] > scores[best] ? i : best;\n    }\n    return best;\n}\n"
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
        declared = ["    int32_t i;"] if writing.judges == "classify" else []
        return [*declared, prepare, f"    {name}_run({first}, {given}, arena);"]
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
