"""The page that goes with an exported model: its sizes, and how to call it."""

from edgekit.convert.c import text
from edgekit.convert.c.writing import Writing


def readme(writing: Writing, *, tflite_bytes: int) -> str:
    """`<name>_README.md`."""
    model, name, big = writing.model, writing.name, writing.big
    kind = model.entry.c_type
    call = {
        "score": f"    float score = {name}_score(readings, &arena);\n"
        f"    if ({name}_is_anomaly(score)) {{ /* send it */ }}",
        "classify": f"    float scores[{big}_CLASSES];\n"
        f"    int32_t best = {name}_classify(readings, scores, &arena);",
        "answer": f"    float numbers[{big}_OUTPUT_SIZE];\n"
        f"    {name}_answer(readings, numbers, &arena);",
    }[writing.judges]
    arena = model.bytes_size + 4 * model.answer.target.size * writing.keeps_numbers
    return f"""\
# {text.remark(writing.manifest.name)} {writing.manifest.version} in C
Made by edgekit from the bundle {writing.short_hash}. C99, no heap, no state of its own.

| | |
| --- | --- |
| constants in flash | {model.program.constant_bytes:,} bytes, and the code |
| arena in RAM | {arena:,} bytes (`{big}_ARENA_BYTES`) |
| readings | {model.entry.source.size} `{kind}` |
| multiply-adds | {model.macs:,} |
| `{name}_tflite.c`, instead | {tflite_bytes:,} bytes, and TensorFlow Lite for Microcontrollers |

```c
#include "{name}.h"
static {name}_arena arena;
static {kind} readings[{big}_INPUT_SIZE];

{call}
```

Check it on the device: `{name}_test.c` runs the golden vectors. On this machine:

    cc -std=c99 -O2 {name}.c {name}_test.c -o {name}_test && ./{name}_test
"""
