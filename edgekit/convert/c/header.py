"""Writes the header of a model: what firmware may call, and what it has to know."""

from edgekit.convert.c import text
from edgekit.convert.c.writing import Writing


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


def _prototypes(writing: Writing) -> list[str]:
    name, big, kind = writing.name, writing.big, writing.model.entry.c_type
    gives = "real numbers" if writing.model.gives_floats else "integers"
    lines = [
        f"/* The {big}_INPUT_SIZE integers that stand for as many readings. */",
        f"void {name}_prepare(const {kind} *in, int8_t *out);",
        "",
        f"/* The network: {big}_INPUT_SIZE integers to {big}_OUTPUT_SIZE {gives}; the three lie",
        " * apart. */",
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


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
