/* The subset of CBOR (RFC 8949) that the bridge speaks: definite lengths, no tags, 8 containers deep at most. */
#ifndef EK_CBOR_H
#define EK_CBOR_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EK_CBOR_DEPTH 8

/* Writes a window of what it is given: bytes `skip` to `skip + size`. So a long item can be written again and again,
 * a piece each time, with a buffer for one piece. */
typedef struct ek_writer {
    uint8_t *bytes;
    uint16_t size;
    uint16_t skip;
    uint16_t total; /* bytes of all that was put, whether kept or not; 65535: that many or more */
} ek_writer;

void ek_writer_init(ek_writer *writer, uint8_t *bytes, uint16_t size);
/* Whether the end of what was put lies within the window. */
bool ek_writer_fits(const ek_writer *writer);

void ek_put_uint(ek_writer *writer, uint32_t value);
void ek_put_int(ek_writer *writer, int32_t value);
void ek_put_uint64(ek_writer *writer, uint64_t value);
void ek_put_int64(ek_writer *writer, int64_t value);
void ek_put_bool(ek_writer *writer, bool value);
void ek_put_null(ek_writer *writer);
void ek_put_float(ek_writer *writer, float value);
void ek_put_bytes(ek_writer *writer, const uint8_t *bytes, uint16_t count);
void ek_put_text(ek_writer *writer, const char *text); /* ends with a NUL, which is not sent */
void ek_put_text_n(ek_writer *writer, const char *text, uint16_t count);
void ek_put_array(ek_writer *writer, uint16_t count);  /* `count` items follow */
void ek_put_map(ek_writer *writer, uint16_t count);    /* `count` pairs follow */
/* A byte string whose `count` bytes follow by ek_put_raw. */
void ek_put_bytes_head(ek_writer *writer, uint16_t count);
/* Bytes as they are: a part of a byte string, or an item encoded before. */
void ek_put_raw(ek_writer *writer, const uint8_t *bytes, uint16_t count);

/* Reads one item after another. A read that fails leaves the reader at its end, so that all later ones fail too. */
typedef struct ek_reader {
    const uint8_t *at;
    const uint8_t *end;
} ek_reader;

typedef enum ek_kind {
    EK_KIND_UINT = 0,
    EK_KIND_NEGATIVE = 1,
    EK_KIND_BYTES = 2,
    EK_KIND_TEXT = 3,
    EK_KIND_ARRAY = 4,
    EK_KIND_MAP = 5,
    EK_KIND_OTHER = 7, /* bool, null, float */
    EK_KIND_NONE = 8   /* nothing is left, or it is of no kind of the subset */
} ek_kind;

void ek_reader_init(ek_reader *reader, const uint8_t *bytes, uint16_t count);
/* What comes next, without taking it. */
ek_kind ek_peek(const ek_reader *reader);
/* Each takes the next item; false where it is of another kind, does not fit, or is not there. */
bool ek_get_uint(ek_reader *reader, uint32_t *value);
bool ek_get_uint64(ek_reader *reader, uint64_t *value);
bool ek_get_int64(ek_reader *reader, int64_t *value);
bool ek_get_bool(ek_reader *reader, bool *value);
bool ek_get_float(ek_reader *reader, float *value); /* of any width; integers too, rounded */
bool ek_get_bytes(ek_reader *reader, const uint8_t **bytes, uint16_t *count);
bool ek_get_text(ek_reader *reader, const char **text, uint16_t *count); /* no NUL; UTF-8 unchecked */
bool ek_get_array(ek_reader *reader, uint16_t *count);
bool ek_get_map(ek_reader *reader, uint16_t *count);
/* Takes one item whole, whatever it is. */
bool ek_skip(ek_reader *reader);
/* Whether the bytes are exactly one item of the subset. */
bool ek_cbor_valid(const uint8_t *bytes, uint16_t count);

#ifdef __cplusplus
}
#endif
#endif
