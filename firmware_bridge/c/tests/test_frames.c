/* Frames against the golden packets: each good one both ways, each bad one for its reason, each noisy stream. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ek_cbor.h"
#include "ek_frame.h"

static uint8_t wire[MOST_BYTES];
static uint8_t payload[MOST_BYTES];

static void the_checksum_is_that_of_ieee_802_3(void)
{
    const uint8_t digits[] = "123456789";

    CHECK(ek_crc32(0, digits, 9) == 0xCBF43926u);
    CHECK(ek_crc32(ek_crc32(0, digits, 4), digits + 4, 5) == 0xCBF43926u);
    CHECK(ek_crc32(0, digits, 0) == 0);
}

static void every_good_packet_goes_both_ways(void)
{
    FILE *file = open_vectors("good.txt");
    uint8_t buffer[EK_MAX_FRAME];
    uint8_t encoded[EK_MAX_WIRE];
    ek_decoder decoder;
    ek_frame frame;
    row next;
    int seen = 0;

    ek_decoder_init(&decoder, buffer, sizeof buffer);
    while (next_row(file, &next)) {
        uint16_t length = bytes_of(next.fields[5], payload);
        uint16_t count = bytes_of(next.fields[6], wire);
        int type = atoi(next.fields[2]);
        int flags = atoi(next.fields[3]);
        int seq = atoi(next.fields[4]);
        ek_received last = EK_NOTHING;

        memcpy(encoded + EK_PAYLOAD_AT, payload, length);
        CHECK(ek_frame_encode(encoded, (uint8_t)type, (uint8_t)flags, (uint16_t)seq, length) == count);
        CHECK(memcmp(encoded, wire, count) == 0);
        for (uint16_t at = 0; at < count; at++) {
            CHECK(last == EK_NOTHING);
            last = ek_decoder_feed(&decoder, wire[at], &frame);
        }
        CHECK(last == EK_FRAME);
        CHECK(frame.version == 1 && frame.type == type && frame.flags == flags && frame.seq == seq);
        CHECK(frame.length == length && memcmp(frame.payload, payload, length) == 0);
        CHECK((flags & EK_WHOLE) != EK_WHOLE || ek_cbor_valid(frame.payload, frame.length));
        seen++;
    }
    CHECK(seen > 30);
}

static const char *reason(ek_received received, const ek_frame *frame)
{
    switch (received) {
    case EK_BAD_COBS:
        return "cobs";
    case EK_BAD_LENGTH:
        return "length";
    case EK_BAD_CRC:
        return "crc";
    case EK_BAD_VERSION:
        return "version";
    case EK_BAD_FLAGS:
        return "flags";
    case EK_FRAME:
        return ek_cbor_valid(frame->payload, frame->length) ? "good" : "payload";
    default:
        return "nothing";
    }
}

static void every_bad_packet_is_dropped_for_its_reason(void)
{
    FILE *file = open_vectors("bad.txt");
    uint8_t buffer[EK_MAX_FRAME];
    ek_decoder decoder;
    ek_frame frame;
    row next;
    int seen = 0;

    ek_decoder_init(&decoder, buffer, sizeof buffer);
    while (next_row(file, &next)) {
        uint16_t count = bytes_of(next.fields[2], wire);
        ek_received last = EK_NOTHING;

        for (uint16_t at = 0; at < count; at++) {
            last = ek_decoder_feed(&decoder, wire[at], &frame);
        }
        CHECK(strcmp(reason(last, &frame), next.fields[1]) == 0);
        if (strcmp(reason(last, &frame), next.fields[1]) != 0) {
            fprintf(stderr, "  %s: %s, not %s\n", next.fields[0], reason(last, &frame), next.fields[1]);
        }
        seen++;
    }
    CHECK(seen > 30);
}

static void out_of_every_noisy_stream_come_the_right_packets(void)
{
    FILE *file = open_vectors("streams.txt");
    uint8_t buffer[EK_MAX_FRAME];
    char names[4096];
    ek_decoder decoder;
    ek_frame frame;
    row next;
    int seen = 0;

    while (next_row(file, &next)) {
        uint16_t count = bytes_of(next.fields[1], wire);
        char *expected = names;

        snprintf(names, sizeof names, "%s,", next.fields[2]);
        if (strcmp(names, "-,") == 0) {
            names[0] = '\0';
        }
        ek_decoder_init(&decoder, buffer, sizeof buffer);
        for (uint16_t at = 0; at < count; at++) {
            if (ek_decoder_feed(&decoder, wire[at], &frame) == EK_FRAME) {
                char *comma = strchr(expected, ',');
                CHECK(comma != NULL);
                if (comma == NULL) {
                    break;
                }
                *comma = '\0';
                CHECK(payload_of(expected, payload) == frame.length);
                CHECK(memcmp(payload, frame.payload, frame.length) == 0);
                expected = comma + 1;
            }
        }
        CHECK(*expected == '\0');
        seen++;
    }
    CHECK(seen > 15);
}

static void a_small_buffer_is_never_overrun(void)
{
    uint8_t buffer[EK_MIN_FRAME + 8];
    ek_decoder decoder;
    ek_frame frame;
    uint16_t length = EK_MIN_FRAME - EK_OVERHEAD;

    memset(buffer, 0xA5, sizeof buffer);
    CHECK(ek_decoder_init(&decoder, buffer, EK_MIN_FRAME - 1) == EK_ERR_ARGUMENT);
    CHECK(ek_decoder_init(&decoder, buffer, EK_MAX_FRAME + 1) == EK_ERR_ARGUMENT);
    CHECK(ek_decoder_init(&decoder, buffer, EK_MIN_FRAME) == EK_OK);
    for (uint16_t longer = 0; longer < 2; longer++) {
        ek_received last = EK_NOTHING;
        uint16_t count;
        memset(wire, 0, sizeof wire);
        count = ek_frame_encode(wire, EK_LOG, EK_WHOLE, 1, (uint16_t)(length + longer));
        for (uint16_t at = 0; at < count; at++) {
            last = ek_decoder_feed(&decoder, wire[at], &frame);
        }
        CHECK(last == (longer != 0 ? EK_BAD_LENGTH : EK_FRAME));
    }
    for (int at = 0; at < 100000; at++) {
        CHECK(ek_decoder_feed(&decoder, (uint8_t)(1 + rand() % 255), &frame) == EK_NOTHING);
    }
    for (size_t at = EK_MIN_FRAME; at < sizeof buffer; at++) {
        CHECK(buffer[at] == 0xA5);
    }
}

static void every_length_fits_the_buffer_that_is_promised(void)
{
    static const uint8_t fills[] = {0x00, 0x01, 0xFF};
    uint8_t buffer[EK_MAX_FRAME];
    ek_decoder decoder;
    ek_frame frame;

    ek_decoder_init(&decoder, buffer, sizeof buffer);
    for (uint16_t length = 1; length <= EK_MAX_PAYLOAD; length++) {
        for (size_t fill = 0; fill < sizeof fills; fill++) {
            ek_received last = EK_NOTHING;
            uint16_t most = (uint16_t)EK_WIRE_SIZE(length + EK_OVERHEAD);
            uint16_t count;
            memset(wire, fills[fill], most);
            wire[most] = 0xEE;
            count = ek_frame_encode(wire, EK_LOG, EK_WHOLE, 0x0101, length);
            CHECK(count <= most && wire[most] == 0xEE);
            CHECK(memchr(wire, 0, count) == wire + count - 1);
            for (uint16_t at = 0; at < count; at++) {
                last = ek_decoder_feed(&decoder, wire[at], &frame);
            }
            CHECK(last == EK_FRAME && frame.length == length);
            CHECK(frame.payload[0] == fills[fill] && frame.payload[length - 1] == fills[fill]);
        }
    }
}

void test_frames(void)
{
    the_checksum_is_that_of_ieee_802_3();
    every_good_packet_goes_both_ways();
    every_bad_packet_is_dropped_for_its_reason();
    out_of_every_noisy_stream_come_the_right_packets();
    a_small_buffer_is_never_overrun();
    every_length_fits_the_buffer_that_is_promised();
}
