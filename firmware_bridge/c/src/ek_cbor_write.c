/* Writes the subset of CBOR, integers and lengths in their shortest form. */
#include <string.h>

#include "ek_cbor.h"

void ek_writer_init(ek_writer *writer, uint8_t *bytes, uint16_t size)
{
    writer->bytes = bytes;
    writer->size = size;
    writer->skip = 0;
    writer->total = 0;
}

bool ek_writer_fits(const ek_writer *writer)
{
    return writer->total != UINT16_MAX && writer->total - writer->skip <= writer->size;
}

static void put(ek_writer *writer, unsigned byte)
{
    uint16_t at = (uint16_t)(writer->total - writer->skip); /* before the window it wraps, and is too large */

    if (at < writer->size) {
        writer->bytes[at] = (uint8_t)byte;
    }
    if (writer->total != UINT16_MAX) {
        writer->total++;
    }
}

/* The lowest `count` bytes, the highest of them first. */
static void put_number(ek_writer *writer, uint32_t value, uint8_t count)
{
    while (count-- != 0) {
        put(writer, (uint8_t)(value >> (count * 8)));
    }
}

static void put_head(ek_writer *writer, ek_kind kind, uint32_t value)
{
    unsigned info = (unsigned)value;
    uint8_t count = 0;

    if (value >= 24) {
        info = 24;
        count = 1;
        if (value > 0xFFu) {
            info = 25;
            count = 2;
        }
        if (value > 0xFFFFu) {
            info = 26;
            count = 4;
        }
    }
    put(writer, (unsigned)kind << 5 | info);
    put_number(writer, value, count);
}

static void put_wide_head(ek_writer *writer, ek_kind kind, uint64_t value)
{
    uint32_t high = (uint32_t)(value >> 32);

    if (high == 0) {
        put_head(writer, kind, (uint32_t)value);
        return;
    }
    put(writer, (unsigned)kind << 5 | 27u);
    put_number(writer, high, 4);
    put_number(writer, (uint32_t)value, 4);
}

void ek_put_uint(ek_writer *writer, uint32_t value)
{
    put_head(writer, EK_KIND_UINT, value);
}

void ek_put_int(ek_writer *writer, int32_t value)
{
    if (value < 0) {
        put_head(writer, EK_KIND_NEGATIVE, ~(uint32_t)value);
    } else {
        put_head(writer, EK_KIND_UINT, (uint32_t)value);
    }
}

void ek_put_uint64(ek_writer *writer, uint64_t value)
{
    put_wide_head(writer, EK_KIND_UINT, value);
}

void ek_put_int64(ek_writer *writer, int64_t value)
{
    if (value < 0) {
        put_wide_head(writer, EK_KIND_NEGATIVE, ~(uint64_t)value);
    } else {
        put_wide_head(writer, EK_KIND_UINT, (uint64_t)value);
    }
}

void ek_put_bool(ek_writer *writer, bool value)
{
    put(writer, value ? 0xF5 : 0xF4);
}

void ek_put_null(ek_writer *writer)
{
    put(writer, 0xF6);
}

void ek_put_float(ek_writer *writer, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    put(writer, 0xFA);
    put_number(writer, bits, 4);
}

void ek_put_raw(ek_writer *writer, const uint8_t *bytes, uint16_t count)
{
    while (count-- != 0) {
        put(writer, *bytes++);
    }
}

void ek_put_bytes_head(ek_writer *writer, uint16_t count)
{
    put_head(writer, EK_KIND_BYTES, count);
}

void ek_put_bytes(ek_writer *writer, const uint8_t *bytes, uint16_t count)
{
    ek_put_bytes_head(writer, count);
    ek_put_raw(writer, bytes, count);
}

void ek_put_text(ek_writer *writer, const char *text)
{
    ek_put_text_n(writer, text, (uint16_t)strlen(text));
}

void ek_put_text_n(ek_writer *writer, const char *text, uint16_t count)
{
    put_head(writer, EK_KIND_TEXT, count);
    ek_put_raw(writer, (const uint8_t *)text, count);
}

void ek_put_array(ek_writer *writer, uint16_t count)
{
    put_head(writer, EK_KIND_ARRAY, count);
}

void ek_put_map(ek_writer *writer, uint16_t count)
{
    put_head(writer, EK_KIND_MAP, count);
}
