"""Golden vectors in C, and a program that runs them: what LiteRT gives for the bundle's own."""

from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.bundle import Manifest
from edgekit.convert.c import text
from edgekit.convert.c.lookup import giving, run_all
from edgekit.convert.c.model import CModel
from edgekit.convert.c.writing import Writing
from edgekit.runtime.interpret import dequantized, softmax


@dataclass(frozen=True)
class Golden:
    """What LiteRT gives.

    Attributes:
        inputs: readings, `[N, ...]`.
        integers: the first int8 tensor of each, `[N, size]`.
        outputs: what `run` gives for it: int8, or the floats of a head.
        answers: float64 `[N, 1]` scores, `[N, classes]` probabilities or `[N, ...]` numbers.
    """

    inputs: Array
    integers: Array
    outputs: Array
    answers: Array


def golden_of(data: bytes, model: CModel, manifest: Manifest, inputs: Array) -> Golden:
    """Runs LiteRT on readings, and keeps what C has to give.

    Args:
        data: the TFLite file.
        model: what was made of it.
        manifest: says how to read its answer.
        inputs: tensors that it takes, `[N, *shape]`.
    """
    first, last = model.entry.target, model.answer.target
    outputs = run_all(giving(data, (last,)), inputs)[0]
    is_first = model.entry.source.index == first.index
    integers = inputs if is_first else run_all(giving(data, (first,)), inputs)[0]
    real = outputs.astype(np.float64).reshape(len(inputs), -1)
    if not model.gives_floats:
        real = (real - last.zero_point) * float(last.scale)
    match manifest.output.kind:
        case "reconstruction":
            original = dequantized(inputs, manifest.input.quantization).reshape(real.shape)
            answers = np.square(original - real).mean(1, keepdims=True)
        case "score":
            answers = real.mean(1, keepdims=True)
        case _:
            is_softmax = model.answer.softmax or manifest.output.kind == "logits"
            answers = softmax(real) if is_softmax else real
    count = len(inputs)
    return Golden(
        _readings(inputs, model),
        integers.reshape(count, -1),
        outputs.reshape(count, -1),
        answers,
    )


def golden_header(writing: Writing, golden: Golden) -> str:
    """`<name>_golden.h`."""
    big, name = writing.big, writing.name
    arrays = {
        "in": golden.inputs.reshape(len(golden.inputs), -1),
        "int8": golden.integers,
        "out": golden.outputs,
        "answer": golden.answers.astype(np.float32),
    }
    texts = [text.table(f"{name}_golden_{part}", values) for part, values in arrays.items()]
    return "\n".join(
        [
            "/* What LiteRT gives for the bundle's golden inputs, one after the other. */",
            f"#ifndef {big}_GOLDEN_H",
            f"#define {big}_GOLDEN_H",
            "",
            "#include <stdint.h>",
            "",
            f"#define {big}_GOLDEN_COUNT {len(golden.inputs)}",
            f"#define {big}_GOLDEN_ANSWERS {golden.answers.shape[1]} /* numbers an answer has */",
            "",
            *texts,
            "",
            "#endif",
            "",
        ]
    )


def self_test(writing: Writing) -> str:
    """`<name>_test.c`: leaves with 0 if every golden vector is reproduced, else with 1."""
    big, name = writing.big, writing.name
    kind = writing.out_type
    judged = {
        "score": f"        answer[0] = {name}_score(in, &arena);",
        "classify": f"        (void){name}_classify(in, answer, &arena);",
        "answer": f"        {name}_answer(in, answer, &arena);",
    }[writing.judges]
    compared = "is_near(out[k], wanted[k])" if writing.model.gives_floats else "out[k] == wanted[k]"
    return f"""\
/* Runs the golden vectors of {name}: prints a line, and leaves with 0 if all are reproduced. */
#include <stdio.h>

#include "{name}.h"
#include "{name}_golden.h"

static {name}_arena arena;
static int8_t integers[{big}_INPUT_SIZE];
static {kind} out[{big}_OUTPUT_SIZE];
static float answer[{big}_GOLDEN_ANSWERS];

/* What is computed in float may differ in its last digits. */
static int is_near(float given, float wanted)
{{
    const float off = given < wanted ? wanted - given : given - wanted;
    const float size = wanted < 0.0f ? -wanted : wanted;
    return off <= 1e-4f * (size > 1.0f ? size : 1.0f);
}}

int main(void)
{{
    int bad = 0;
    int32_t i, k;
    for (i = 0; i < {big}_GOLDEN_COUNT; ++i) {{
        const {writing.model.entry.c_type} *in = {name}_golden_in + i * {big}_INPUT_SIZE;
        const int8_t *first = {name}_golden_int8 + i * {big}_INPUT_SIZE;
        const {kind} *wanted = {name}_golden_out + i * {big}_OUTPUT_SIZE;
        {name}_prepare(in, integers);
        for (k = 0; k < {big}_INPUT_SIZE; ++k) {{
            bad += integers[k] != first[k];
        }}
        {name}_run(first, out, &arena);
        for (k = 0; k < {big}_OUTPUT_SIZE; ++k) {{
            bad += !({compared});
        }}
{judged}
        for (k = 0; k < {big}_GOLDEN_ANSWERS; ++k) {{
            bad += !is_near(answer[k], {name}_golden_answer[i * {big}_GOLDEN_ANSWERS + k]);
        }}
    }}
    printf("{name}: %s, %d wrong\\n", bad == 0 ? "golden vectors reproduced" : "FAILED", bad);
    return bad == 0 ? 0 : 1;
}}
"""


def _readings(inputs: Array, model: CModel) -> Array:
    """Readings as `prepare` takes them: int8 inputs as the real numbers that they stand for."""
    if inputs.dtype == np.int8:
        first = model.entry.target
        return ((inputs.astype(np.float32) - first.zero_point) * first.scale).astype(np.float32)
    return inputs
