"""The TFLite file itself as a C array, for those who run TensorFlow Lite for Microcontrollers."""

import numpy as np

from edgekit.convert.c import text


def micro_header(name: str, size: int) -> str:
    """`<name>_tflite.h`."""
    big = name.upper()
    return f"""\
/* The .tflite file of {name}, for TensorFlow Lite for Microcontrollers. */
#ifndef {big}_TFLITE_H
#define {big}_TFLITE_H

#ifdef __cplusplus
extern "C" {{
#endif

#define {big}_TFLITE_SIZE {size}u
extern const unsigned char {name}_tflite[{big}_TFLITE_SIZE]; /* at a multiple of 16 */

#ifdef __cplusplus
}}
#endif
#endif
"""


def micro_source(name: str, data: bytes) -> str:
    """`<name>_tflite.c`."""
    array = text.table("{}", np.frombuffer(data, np.uint8))
    numbers = array[array.index("{\n") :]
    return f"""\
#include "{name}_tflite.h"

#if defined(__GNUC__)
#define EK_ALIGNED __attribute__((aligned(16)))
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define EK_ALIGNED _Alignas(16)
#else
#define EK_ALIGNED
#endif

EK_ALIGNED const unsigned char {name}_tflite[{name.upper()}_TFLITE_SIZE] = {numbers}
"""
