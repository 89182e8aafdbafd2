/* Frames: header, checksum and COBS, as firmware_bridge/protocol.md has them. No I/O and no state but the caller's. */
#ifndef EK_FRAME_H
#define EK_FRAME_H

#include <stdint.h>

#include "ek_status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EK_VERSION 1u
#define EK_MAX_FRAME 508u /* before COBS */
#define EK_MIN_FRAME 64u  /* the least that every device has to take */
#define EK_OVERHEAD 9u    /* header and checksum */
#define EK_MAX_PAYLOAD (EK_MAX_FRAME - EK_OVERHEAD)

/* Bytes of a buffer that a frame of up to `max_frame` bytes is encoded in, delimiter included. */
#define EK_WIRE_SIZE(max_frame) ((max_frame) + 3u)
#define EK_MAX_WIRE EK_WIRE_SIZE(EK_MAX_FRAME)
/* Where the payload lies in that buffer before it is encoded. */
#define EK_PAYLOAD_AT 7u

EK_STATIC_ASSERT(EK_MAX_WIRE < 512u, a_flush_byte_and_a_frame_fill_512_bytes_at_most);

enum { EK_RELIABLE = 1, EK_FIRST = 2, EK_LAST = 4, EK_WHOLE = EK_FIRST | EK_LAST };

typedef enum ek_type {
    EK_HELLO = 1,
    EK_HEARTBEAT = 2,
    EK_TIME = 3,
    EK_ACK = 4,
    EK_DATA = 5,
    EK_PREDICTION = 6,
    EK_LOG = 7,
    EK_CONFIG = 8,
    EK_COMMAND = 9,
    EK_RESPONSE = 10,
    EK_APPLICATION = 128 /* this and all above are an application's own */
} ek_type;

/* What a byte led to. Those below 0 are damage, or frames of another kind of speaker. */
typedef enum ek_received {
    EK_NOTHING = 0, /* more bytes are needed */
    EK_FRAME = 1,   /* the frame is good */
    EK_BAD_COBS = -1,
    EK_BAD_LENGTH = -2,
    EK_BAD_CRC = -3,
    EK_BAD_VERSION = -4,
    EK_BAD_FLAGS = -5
} ek_received;

typedef struct ek_frame {
    const uint8_t *payload; /* within the decoder's buffer: good until its next byte */
    uint16_t length;        /* of the payload, 1 to 499 */
    uint16_t seq;
    uint8_t version;
    uint8_t type;
    uint8_t flags;
} ek_frame;

typedef struct ek_decoder {
    uint8_t *buffer;
    uint16_t size; /* the longest frame, before COBS, that is taken */
    uint16_t used; /* size + 1: too long already */
    uint8_t code;  /* of the block under way; 0 before the first */
    uint8_t left;  /* bytes that this block still has */
} ek_decoder;

/* CRC-32 of IEEE 802.3. `crc` is 0, or the result for the bytes before. */
uint32_t ek_crc32(uint32_t crc, const uint8_t *bytes, uint16_t count);

/* Lends `size` bytes of `buffer` to the decoder: the longest frame, before COBS, that it takes (64 to 508). */
ek_status ek_decoder_init(ek_decoder *decoder, uint8_t *buffer, uint16_t size);

/* Takes one byte from the line. Fills `frame` where it returns EK_FRAME. */
ek_received ek_decoder_feed(ek_decoder *decoder, uint8_t byte, ek_frame *frame);

/* Turns the `length` bytes at `wire + EK_PAYLOAD_AT` into a frame, in place, with its delimiter.
 * `wire` has room for EK_WIRE_SIZE(length + EK_OVERHEAD) bytes; `length` is 1 to 499. Returns the bytes to send. */
uint16_t ek_frame_encode(uint8_t *wire, uint8_t type, uint8_t flags, uint16_t seq, uint16_t length);

#ifdef __cplusplus
}
#endif
#endif
