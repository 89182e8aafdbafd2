/* Frames: checksum, COBS in place, and a decoder that takes a byte at a time. */
#include "ek_frame.h"

#include <stddef.h>

/* The checksum of any bytes that are followed by their own checksum. */
#define RESIDUE 0x2144DF1Cu

enum { HEADER = 5, CHECKSUM = 4, SLACK = 2, FULL_BLOCK = 0xFF, RESERVED_FLAGS = 0xF8 };

EK_STATIC_ASSERT(SLACK + HEADER == EK_PAYLOAD_AT, the_payload_follows_the_header);
EK_STATIC_ASSERT(HEADER + CHECKSUM == EK_OVERHEAD, the_overhead_is_header_and_checksum);
EK_STATIC_ASSERT(SLACK >= 1 + (EK_MAX_FRAME - 1) / 254, encoding_never_overtakes_what_it_reads);

uint32_t ek_crc32(uint32_t crc, const uint8_t *bytes, uint16_t count)
{
    /* A table by half bytes: 64 bytes of flash, where one by bytes takes 1024. */
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
        0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
        0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};
    const uint8_t *end = bytes + count;

    crc = ~crc;
    for (; bytes != end; bytes++) {
        crc ^= *bytes;
        crc = table[crc & 15u] ^ (crc >> 4);
        crc = table[crc & 15u] ^ (crc >> 4);
    }
    return ~crc;
}

ek_status ek_decoder_init(ek_decoder *decoder, uint8_t *buffer, uint16_t size)
{
    if (decoder == NULL || buffer == NULL || size < EK_MIN_FRAME || size > EK_MAX_FRAME) {
        return EK_ERR_ARGUMENT;
    }
    decoder->buffer = buffer;
    decoder->size = size;
    decoder->used = 0;
    decoder->code = 0;
    decoder->left = 0;
    return EK_OK;
}

static void keep(ek_decoder *decoder, uint8_t byte)
{
    if (decoder->used < decoder->size) {
        decoder->buffer[decoder->used++] = byte;
    } else {
        decoder->used = (uint16_t)(decoder->size + 1u);
    }
}

static ek_received opened(const uint8_t *bytes, uint16_t count, ek_frame *frame)
{
    if (ek_crc32(0, bytes, count) != RESIDUE) {
        return EK_BAD_CRC;
    }
    frame->version = bytes[0];
    frame->type = bytes[1];
    frame->flags = bytes[2];
    frame->seq = (uint16_t)(bytes[3] | (unsigned)bytes[4] << 8);
    frame->payload = bytes + HEADER;
    frame->length = (uint16_t)(count - EK_OVERHEAD);
    if (frame->version != EK_VERSION) {
        return EK_BAD_VERSION;
    }
    return (frame->flags & RESERVED_FLAGS) != 0 ? EK_BAD_FLAGS : EK_FRAME;
}

ek_received ek_decoder_feed(ek_decoder *decoder, uint8_t byte, ek_frame *frame)
{
    uint16_t used = decoder->used;
    uint8_t code = decoder->code;
    uint8_t left = decoder->left;

    if (byte != 0) {
        if (left != 0) {
            keep(decoder, byte);
            decoder->left--;
            return EK_NOTHING;
        }
        if (code != 0 && code != FULL_BLOCK) {
            keep(decoder, 0);
        }
        decoder->code = byte;
        decoder->left = (uint8_t)(byte - 1u);
        return EK_NOTHING;
    }
    decoder->used = 0;
    decoder->code = 0;
    decoder->left = 0;
    if (code == 0) {
        return EK_NOTHING;
    }
    if (left != 0) {
        return EK_BAD_COBS;
    }
    if (used <= EK_OVERHEAD || used > decoder->size) {
        return EK_BAD_LENGTH;
    }
    return opened(decoder->buffer, used, frame);
}

static uint16_t stuff(uint8_t *wire, uint16_t count)
{
    /* What is written trails what is read: each block is one byte longer than what it encodes, and there are SLACK at most. */
    const uint8_t *from = wire + SLACK;
    const uint8_t *end = from + count;
    uint8_t *to = wire + 1;
    uint8_t *code_at = wire;
    uint8_t code = 1;

    for (; from != end; from++) {
        uint8_t byte = *from;
        if (code == FULL_BLOCK) {
            *code_at = code;
            code_at = to++;
            code = 1;
        }
        if (byte != 0) {
            *to++ = byte;
            code++;
        } else {
            *code_at = code;
            code_at = to++;
            code = 1;
        }
    }
    *code_at = code;
    *to++ = 0;
    return (uint16_t)(to - wire);
}

uint16_t ek_frame_encode(uint8_t *wire, uint8_t type, uint8_t flags, uint16_t seq, uint16_t length)
{
    uint8_t *header = wire + SLACK;
    uint8_t *checksum = header + HEADER + length;
    const uint8_t *end;
    uint32_t crc;

    header[0] = EK_VERSION;
    header[1] = type;
    header[2] = flags;
    header[3] = (uint8_t)(seq & 0xFFu);
    header[4] = (uint8_t)(seq >> 8);
    crc = ek_crc32(0, header, (uint16_t)(HEADER + length));
    for (end = checksum + CHECKSUM; checksum != end; crc >>= 8) {
        *checksum++ = (uint8_t)(crc & 0xFFu);
    }
    return stuff(wire, (uint16_t)(length + EK_OVERHEAD));
}
