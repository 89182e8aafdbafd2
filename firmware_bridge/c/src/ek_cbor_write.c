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
    return writer->total < UINT16_MAX &&
           (writer->total <= writer->skip || writer->total - writer->skip <= writer->size);
}

static void put(ek_writer *writer, uint8_t byte)
{
    uint16_t at = (uint16_t)(writer->total - writer->skip);

    if (writer->total == UINT16_MAX) {
        return;
    }
    if (writer->total >= writer->skip && at < writer->size) {
        writer->bytes[at] = byte;
    }
    writer->total++;
}

static void put_32(ek_writer *writer, uint32_t value)
{
    put(writer, (uint8_t)(value >> 24));
    put(writer, (uint8_t)(value >> 16 & 0xFFu));
    put(writer, (uint8_t)(value >> 8 & 0xFFu));
    put(writer, (uint8_t)(value & 0xFFu));
}

static void put_head(ek_writer *writer, ek_kind kind, uint64_t value)
{
    uint8_t major = (uint8_t)((unsigned)kind << 5);
    uint32_t high = (uint32_t)(value >> 32);
    uint32_t low = (uint32_t)value;

    if (high != 0) {
        put(writer, (uint8_t)(major | 27u));
        put_32(writer, high);
        put_32(writer, low);
    } else if (low > 0xFFFFu) {
        put(writer, (uint8_t)(major | 26u));
        put_32(writer, low);
    } else if (low > 0xFFu) {
        put(writer, (uint8_t)(major | 25u));
        put(writer, (uint8_t)(low >> 8));
        put(writer, (uint8_t)(low & 0xFFu));
    } else {
        if (low >= 24) {
            put(writer, (uint8_t)(major | 24u));
            major = 0;
        }
        put(writer, (uint8_t)(major | low));
    }
}

void ek_put_uint(ek_writer *writer, uint64_t value)
{
    put_head(writer, EK_KIND_UINT, value);
}

void ek_put_int(ek_writer *writer, int64_t value)
{
    if (value < 0) {
        put_head(writer, EK_KIND_NEGATIVE, (uint64_t)(-1 - value));
    } else {
        put_head(writer, EK_KIND_UINT, (uint64_t)value);
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
    put_32(writer, bits);
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
