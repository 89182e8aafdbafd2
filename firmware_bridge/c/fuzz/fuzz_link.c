/* What a hostile or broken line can do to a link: nothing. For libFuzzer, and for random_main.c.
 *
 * The first byte chooses: bit 0, the rest is fed as it is, or is a list of frames (type, flags, seq, count, payload) that get a right checksum, so
 * that what lies behind it is reached; bit 1, buffers are as small as they may be; bit 2, the line is slow; bit 3, a session is opened first. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ek_link.h"

enum { RAW = 1, SMALL = 2, SLOW = 4, OPEN = 8, FENCE = 16, FENCE_BYTE = 0xA7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct world {
    uint64_t now_us;
    uint16_t room;
    ek_decoder host;
    uint8_t heard[EK_MAX_FRAME];
    uint8_t receive[EK_RECEIVE_SIZE(508) + FENCE];
    uint8_t transmit[EK_TRANSMIT_SIZE(508) + FENCE];
    uint8_t hold[96 + FENCE];
    uint8_t message[200 + FENCE];
} world;

static void must(bool claim)
{
    if (!claim) {
        abort();
    }
}

static uint16_t write_line(void *context, const uint8_t *bytes, uint16_t count)
{
    world *all = (world *)context;
    uint16_t taken = count < all->room ? count : all->room;
    ek_frame frame;

    all->room = (uint16_t)(all->room - taken);
    for (uint16_t at = 0; at < taken; at++) {
        ek_received received = ek_decoder_feed(&all->host, bytes[at], &frame);
        must(received == EK_NOTHING || received == EK_FRAME); /* whatever comes in, what goes out is right */
        must(received != EK_FRAME || (frame.flags & EK_WHOLE) != EK_WHOLE ||
             ek_cbor_valid(frame.payload, frame.length));
    }
    return taken;
}

static uint64_t now(void *context)
{
    return ((world *)context)->now_us;
}

static ek_ack set_period(void *context, uint8_t sensor, uint64_t period_ns)
{
    (void)context;
    must(sensor < 2 && period_ns <= EK_MAX_PERIOD_NS);
    return sensor == 0 ? EK_ACK_OK : EK_ACK_BUSY;
}

static ek_ack set_value(void *context, const char *name, uint16_t length, ek_reader *value)
{
    float real = 0;
    uint8_t sum = 0;

    (void)context;
    must(length >= 1 && length <= EK_MAX_NAME);
    for (uint16_t at = 0; at < length; at++) {
        sum = (uint8_t)(sum + (uint8_t)name[at]);
    }
    return ek_get_float(value, &real) && real >= 0 && sum < 200 ? EK_ACK_OK : EK_ACK_REFUSED;
}

/* Reads an item in every way there is, and echoes it. */
static int32_t command(void *context, ek_command *command)
{
    ek_reader one = command->argument;
    ek_reader other = command->argument;
    const char *text;
    const uint8_t *bytes;
    uint16_t count;
    int64_t whole;
    bool flag;

    (void)context;
    must(command->name_length >= 1 && command->name_length <= EK_MAX_NAME);
    while (ek_peek(&one) != EK_KIND_NONE) {
        other = one;
        must(!ek_get_text(&other, &text, &count) || other.at <= other.end);
        other = one;
        must(!ek_get_bytes(&other, &bytes, &count) || other.at <= other.end);
        other = one;
        (void)ek_get_int64(&other, &whole);
        other = one;
        (void)ek_get_bool(&other, &flag);
        if (!ek_get_array(&one, &count)) {
            break;
        }
    }
    ek_put_raw(&command->value, command->argument.at,
               (uint16_t)(command->argument.end - command->argument.at));
    return ek_command_is(command, "later") ? EK_LATER : command->name_length;
}

static void say(ek_link *link, uint8_t type, uint8_t flags, uint16_t seq, const uint8_t *payload, uint16_t length)
{
    uint8_t wire[EK_MAX_WIRE];
    uint16_t count;

    memcpy(wire + EK_PAYLOAD_AT, payload, length);
    count = ek_frame_encode(wire, type, flags, seq, length);
    for (uint16_t at = 0; at < count; at++) {
        ek_link_feed(link, wire[at]);
    }
}

static void turn(ek_link *link, world *all, uint8_t how)
{
    static const int16_t samples[4] = {1, -2, 3, -4};
    float score = 0.5f;
    ek_prediction prediction = {.scores = &score, .score_count = 1, .took_us = 5, .has = EK_HAS_TOOK};

    all->now_us += (uint64_t)how << 14;
    all->room = (how & SLOW) != 0 ? 7 : UINT16_MAX;
    if ((how & 3) == 1) {
        (void)ek_link_send_int16(link, 0, (uint32_t)all->now_us, samples, 4);
    } else if ((how & 3) == 2) {
        (void)ek_link_send_prediction(link, &prediction, true);
    } else if (how == 255) {
        (void)ek_link_respond(link, 1, 0, NULL, 0);
    }
    ek_link_poll(link);
}

static void check_fence(const uint8_t *end)
{
    for (int at = 0; at < FENCE; at++) {
        must(end[at] == FENCE_BYTE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t hello[] = {0xA6, 0, 1, 1, 7, 2, 9, 3, 0xF4, 4, 0x19, 0x01, 0xFC, 5, 0x19, 0x40, 0x00};
    static const ek_sensor sensors[2] = {{"a", "g", 1000, 1, 0, EK_INT16, 1}, {"b", "", 0, 1, 0, EK_INT8, 16}};
    static const ek_model models[1] = {{"m", (const uint8_t *)"abcd", 4, 0}};
    static const ek_device device = {"d", "f", "1", sensors, models, 2, 1};
    static world all;
    ek_setup setup = {0};
    ek_link link;
    uint8_t mode = size > 0 ? data[0] : 0;
    bool small = (mode & SMALL) != 0;

    memset(&all, FENCE_BYTE, sizeof all);
    all.now_us = 1;
    all.room = UINT16_MAX;
    must(ek_decoder_init(&all.host, all.heard, sizeof all.heard) == EK_OK);
    setup.context = &all;
    setup.write = write_line;
    setup.now_us = now;
    setup.requests = ek_requests;
    setup.set_period = set_period;
    setup.set_value = set_value;
    setup.command = command;
    setup.device = &device;
    setup.receive = all.receive;
    setup.receive_size = (uint16_t)EK_RECEIVE_SIZE(508);
    setup.transmit = all.transmit;
    setup.transmit_size = (uint16_t)EK_TRANSMIT_SIZE(508);
    setup.hold = all.hold;
    setup.hold_size = 96;
    setup.message = all.message;
    setup.message_size = 200;
    if (small) {
        setup.receive_size = (uint16_t)EK_RECEIVE_SIZE(64);
        setup.transmit_size = (uint16_t)EK_TRANSMIT_SIZE(64);
        setup.hold_size = 24;
        setup.message = NULL;
        setup.message_size = 0;
    }
    must(ek_link_init(&link, &setup, 9) == EK_OK);
    if ((mode & OPEN) != 0) {
        say(&link, EK_HELLO, EK_WHOLE, 0, hello, sizeof hello);
        must(ek_link_is_open(&link));
    }
    turn(&link, &all, mode & SLOW);
    for (size_t at = 1; at < size;) {
        uint16_t count;
        if ((mode & RAW) != 0) {
            ek_link_feed(&link, data[at++]);
            if (data[at - 1] == 0) {
                turn(&link, &all, at < size ? data[at] : 0);
            }
            continue;
        }
        if (size - at < 6) {
            break;
        }
        count = (uint16_t)(data[at + 4] | (data[at + 5] & 1) << 8);
        count = (uint16_t)(count > size - at - 6 ? size - at - 6 : count);
        count = (uint16_t)(count > EK_MAX_PAYLOAD ? EK_MAX_PAYLOAD : count);
        if (count != 0) {
            say(&link, data[at], data[at + 1], (uint16_t)(data[at + 2] | data[at + 3] << 8), data + at + 6, count);
        }
        turn(&link, &all, data[at + 5]);
        at += 6u + count;
    }
    check_fence(all.receive + setup.receive_size);
    check_fence(all.transmit + setup.transmit_size);
    check_fence(all.hold + setup.hold_size);
    check_fence(all.message + setup.message_size);
    return 0;
}
