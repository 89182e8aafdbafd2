/* Reads the subset of CBOR; every length is compared with what is left before it is used. */
#include "ek_cbor.h"

#include <stddef.h>
#include <string.h>

enum { FALSE = 20, TRUE = 21, NULL_ = 22, HALF = 25, SINGLE = 26, DOUBLE = 27 };

typedef struct head {
    uint64_t value; /* integer, length, count, or the bits of a float */
    uint8_t major;
    uint8_t info;
} head;

static bool failed(ek_reader *reader)
{
    reader->at = reader->end;
    return false;
}

/* Whether an item of the subset may begin so, with `room` bytes behind its head. */
static bool is_possible(uint8_t major, uint8_t info, uint64_t value, uint32_t room)
{
    if (major == EK_KIND_UINT) {
        return true;
    }
    if (major == EK_KIND_NEGATIVE) {
        return value <= INT64_MAX;
    }
    if (major == EK_KIND_OTHER) {
        return (info >= FALSE && info <= NULL_) || info >= HALF;
    }
    return major <= EK_KIND_MAP && value <= (major == EK_KIND_MAP ? room >> 1 : room);
}

/* Takes the head of the next item. Strings are known to be there whole afterwards, containers to be possible. */
static bool take_head(ek_reader *reader, head *taken)
{
    const uint8_t *at = reader->at;
    uint32_t room = (uint32_t)(reader->end - at);
    uint64_t value;
    uint8_t info;
    uint8_t width;

    if (room == 0) {
        return false;
    }
    taken->major = *at >> 5;
    info = *at++ & 31;
    room--;
    value = info;
    if (info >= 24) {
        width = (uint8_t)(1u << (info & 7u));
        if (info > DOUBLE || width > room) {
            return failed(reader);
        }
        room -= width;
        value = 0;
        do {
            value = value << 8 | *at++;
        } while (--width != 0);
    }
    taken->value = value;
    taken->info = info;
    reader->at = at;
    return is_possible(taken->major, info, value, room) || failed(reader);
}

static bool take(ek_reader *reader, ek_kind kind, head *taken)
{
    return take_head(reader, taken) && (taken->major == (uint8_t)kind || failed(reader));
}

void ek_reader_init(ek_reader *reader, const uint8_t *bytes, uint16_t count)
{
    reader->at = bytes;
    reader->end = bytes + count;
}

ek_kind ek_peek(const ek_reader *reader)
{
    uint8_t major;

    if (reader->at == reader->end) {
        return EK_KIND_NONE;
    }
    major = *reader->at >> 5;
    return major == 6 ? EK_KIND_NONE : (ek_kind)major;
}

bool ek_get_uint64(ek_reader *reader, uint64_t *value)
{
    head taken;

    if (!take(reader, EK_KIND_UINT, &taken)) {
        return false;
    }
    *value = taken.value;
    return true;
}

bool ek_get_uint(ek_reader *reader, uint32_t *value)
{
    head taken;

    if (!take(reader, EK_KIND_UINT, &taken) || taken.value > UINT32_MAX) {
        return failed(reader);
    }
    *value = (uint32_t)taken.value;
    return true;
}

bool ek_get_int64(ek_reader *reader, int64_t *value)
{
    head taken;

    if (!take_head(reader, &taken)) {
        return false;
    }
    if (taken.major > EK_KIND_NEGATIVE || taken.value > INT64_MAX) {
        return failed(reader);
    }
    *value = (int64_t)taken.value;
    if (taken.major == EK_KIND_NEGATIVE) {
        *value = -1 - *value;
    }
    return true;
}

bool ek_get_bool(ek_reader *reader, bool *value)
{
    head taken;

    if (!take(reader, EK_KIND_OTHER, &taken)) {
        return false;
    }
    *value = taken.info == TRUE;
    return taken.info <= TRUE || failed(reader);
}

static float half_to_single(uint32_t bits)
{
    uint32_t exponent = bits >> 10 & 31u;
    uint32_t fraction = bits & 0x3FFu;
    uint32_t single;
    float value;

    if (exponent == 31) {
        exponent = 255;
    } else if (exponent != 0) {
        exponent += 112;
    } else if (fraction != 0) {
        for (exponent = 113; (fraction & 0x400u) == 0; exponent--) {
            fraction <<= 1;
        }
        fraction &= 0x3FFu;
    }
    single = (bits & 0x8000u) << 16 | exponent << 23 | fraction << 13;
    memcpy(&value, &single, sizeof value);
    return value;
}

/* By bits, because a double of an AVR has 32 of them: to the nearest, or towards zero below 2^-126. */
static float double_to_single(uint64_t bits)
{
    uint32_t high = (uint32_t)(bits >> 32);
    uint32_t exponent = high >> 20 & 0x7FFu;
    uint32_t fraction = (high & 0xFFFFFu) << 3 | (uint32_t)bits >> 29;
    uint32_t single = high & 0x80000000u;
    float value;

    if (exponent == 0x7FF) {
        single |= 0x7F800000u | fraction;
        if ((bits & 0xFFFFFFFFFFFFFu) != 0) {
            single |= 0x400000u;
        }
    } else if (exponent > 1150) {
        single |= 0x7F800000u;
    } else if (exponent > 896) {
        single |= (exponent - 896) << 23 | fraction;
        single += (uint32_t)bits >> 28 & 1u; /* a carry runs on into the exponent, as it should */
    } else if (exponent > 872) {
        single |= (fraction | 0x800000u) >> (897 - exponent);
    }
    memcpy(&value, &single, sizeof value);
    return value;
}

bool ek_get_float(ek_reader *reader, float *value)
{
    head taken;
    uint32_t bits;

    if (!take_head(reader, &taken)) {
        return false;
    }
    if (taken.major == EK_KIND_UINT) {
        *value = (float)taken.value;
    } else if (taken.major == EK_KIND_NEGATIVE) {
        *value = -1.0f - (float)taken.value;
    } else if (taken.major != EK_KIND_OTHER || taken.info < HALF) {
        return failed(reader);
    } else if (taken.info == HALF) {
        *value = half_to_single((uint32_t)taken.value);
    } else if (taken.info == SINGLE) {
        bits = (uint32_t)taken.value;
        memcpy(value, &bits, sizeof bits);
    } else {
        *value = double_to_single(taken.value);
    }
    return true;
}

static bool get_count(ek_reader *reader, ek_kind kind, uint16_t *count)
{
    head taken;

    if (!take(reader, kind, &taken)) {
        return false;
    }
    *count = (uint16_t)taken.value;
    return true;
}

static bool get_string(ek_reader *reader, ek_kind kind, const uint8_t **bytes, uint16_t *count)
{
    if (!get_count(reader, kind, count)) {
        return false;
    }
    *bytes = reader->at;
    reader->at += *count;
    return true;
}

bool ek_get_bytes(ek_reader *reader, const uint8_t **bytes, uint16_t *count)
{
    return get_string(reader, EK_KIND_BYTES, bytes, count);
}

bool ek_get_text(ek_reader *reader, const char **text, uint16_t *count)
{
    const uint8_t *bytes = NULL;
    bool got = get_string(reader, EK_KIND_TEXT, &bytes, count);

    *text = (const char *)bytes;
    return got;
}

bool ek_get_array(ek_reader *reader, uint16_t *count)
{
    return get_count(reader, EK_KIND_ARRAY, count);
}

bool ek_get_map(ek_reader *reader, uint16_t *count)
{
    return get_count(reader, EK_KIND_MAP, count);
}

bool ek_skip(ek_reader *reader)
{
    uint16_t items[EK_CBOR_DEPTH]; /* that each open container still has */
    uint8_t depth = 0;
    head taken;

    for (;;) {
        if (!take_head(reader, &taken)) {
            return failed(reader);
        }
        if (taken.major == EK_KIND_ARRAY || taken.major == EK_KIND_MAP) {
            if (depth == EK_CBOR_DEPTH) {
                return failed(reader);
            }
            items[depth] = (uint16_t)taken.value;
            if (taken.major == EK_KIND_MAP) {
                items[depth] = (uint16_t)(items[depth] << 1);
            }
            depth++;
        } else if (taken.major == EK_KIND_BYTES || taken.major == EK_KIND_TEXT) {
            reader->at += (uint16_t)taken.value;
        }
        while (depth != 0 && items[depth - 1] == 0) {
            depth--;
        }
        if (depth == 0) {
            return true;
        }
        items[depth - 1]--;
    }
}

bool ek_cbor_valid(const uint8_t *bytes, uint16_t count)
{
    ek_reader reader;

    ek_reader_init(&reader, bytes, count);
    return ek_skip(&reader) && reader.at == reader.end;
}
