/* The bench that tests of the link share. */
#include "bench.h"

#include <string.h>

#include "check.h"

static void hear(bench *one, uint8_t byte)
{
    ek_frame frame;
    sent *next = &one->frames[one->count];
    ek_received received = ek_decoder_feed(&one->decoder, byte, &frame);

    if (received < 0) {
        one->damaged++;
    }
    if (received != EK_FRAME || one->count == MOST_FRAMES) {
        return;
    }
    next->type = frame.type;
    next->flags = frame.flags;
    next->seq = frame.seq;
    next->length = frame.length;
    memcpy(next->payload, frame.payload, frame.length);
    one->count++;
}

static uint16_t write_line(void *context, const uint8_t *bytes, uint16_t count)
{
    bench *one = (bench *)context;
    uint16_t taken = (uint16_t)(count < one->room ? count : one->room);

    one->room -= taken;
    for (uint16_t at = 0; at < taken; at++) {
        hear(one, bytes[at]);
    }
    return taken;
}

static uint64_t now(void *context)
{
    bench *one = (bench *)context;

    one->now_us += one->step_us;
    return one->now_us;
}

static ek_ack set_period(void *context, uint8_t sensor, uint64_t period_ns)
{
    bench *one = (bench *)context;

    one->periods++;
    if (one->ack == EK_ACK_OK) {
        one->sensors[sensor].period_ns = period_ns;
    }
    return one->ack;
}

static ek_ack set_value(void *context, const char *name, uint16_t length, ek_reader *value)
{
    bench *one = (bench *)context;
    bool flag;

    one->values++;
    memcpy(one->name, name, length);
    one->name[length] = '\0';
    if (ek_peek(value) == EK_KIND_TEXT) {
        return EK_ACK_REFUSED;
    }
    if (ek_peek(value) == EK_KIND_OTHER && (*value->at & 31) < 24) {
        return ek_get_bool(value, &flag) ? one->ack : EK_ACK_REFUSED;
    }
    return ek_get_float(value, &one->value) ? one->ack : EK_ACK_REFUSED;
}

static int32_t command(void *context, ek_command *command)
{
    bench *one = (bench *)context;
    uint32_t count = 0;

    one->commands++;
    memcpy(one->name, command->name, command->name_length);
    one->name[command->name_length] = '\0';
    if (ek_command_is(command, "repeat") && ek_get_uint(&command->argument, &count)) {
        ek_put_array(&command->value, (uint16_t)count);
        while (count-- != 0) {
            ek_put_uint(&command->value, 7);
        }
    }
    return one->status;
}

static void gave_up(void *context, ek_type type)
{
    (void)type;
    ((bench *)context)->given_up++;
}

void bench_start(bench *one)
{
    static const uint8_t digest[] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0xFF};

    memset(one, 0, sizeof *one);
    one->sensors[0] = (ek_sensor){"accel", "m/s2", 1000000, 0.0625f, 0, EK_INT16, 3};
    one->sensors[1] = (ek_sensor){"temp", "degC", 1000000000, 0.25f, -40, EK_INT32, 1};
    one->sensors[2] = (ek_sensor){"mic", "", 62500, 1, 0, EK_INT8, 1};
    one->models[0] = (ek_model){"autoencoder", digest, sizeof digest, 0};
    one->device = (ek_device){"pump-7", "vibration", "1.2.0", one->sensors, one->models, 3, 1};
    one->setup.context = one;
    one->setup.write = write_line;
    one->setup.now_us = now;
    one->setup.requests = ek_requests;
    one->setup.set_period = set_period;
    one->setup.set_value = set_value;
    one->setup.command = command;
    one->setup.gave_up = gave_up;
    one->setup.device = &one->device;
    one->setup.receive = one->receive;
    one->setup.receive_size = sizeof one->receive;
    one->setup.transmit = one->transmit;
    one->setup.transmit_size = sizeof one->transmit;
    one->setup.hold = one->hold;
    one->setup.hold_size = sizeof one->hold;
    one->setup.message = one->message;
    one->setup.message_size = sizeof one->message;
    one->now_us = 12345;
    one->room = UINT32_MAX;
    ek_decoder_init(&one->decoder, one->buffer, sizeof one->buffer);
    CHECK(ek_link_init(&one->link, &one->setup, 0xC0FFEE01u) == EK_OK);
}

void bench_open(bench *one)
{
    bench_start(one);
    bench_hello(one, 7, 0xC0FFEE01u, false, 508);
    bench_run(one, 0);
    CHECK(ek_link_is_open(&one->link));
}

void bench_feed(bench *one, uint8_t type, uint8_t flags, uint16_t seq, const uint8_t *payload,
                uint16_t length)
{
    uint8_t wire[EK_MAX_WIRE];
    uint16_t count;

    memcpy(wire + EK_PAYLOAD_AT, payload, length);
    count = ek_frame_encode(wire, type, flags, seq, length);
    for (uint16_t at = 0; at < count; at++) {
        ek_link_feed(&one->link, wire[at]);
    }
}

void bench_say(bench *one, uint8_t type, uint8_t flags, const char *payload)
{
    static uint8_t bytes[MOST_BYTES];
    uint16_t length = bytes_of(payload, bytes);

    bench_feed(one, type, flags, (flags & EK_RELIABLE) != 0 ? one->seq++ : 0, bytes, length);
}

void bench_hello(bench *one, uint32_t nonce, uint32_t heard, bool open, uint16_t max_frame)
{
    uint8_t bytes[64];
    ek_writer writer;

    ek_writer_init(&writer, bytes, sizeof bytes);
    ek_put_map(&writer, 6);
    ek_put_uint(&writer, 0);
    ek_put_uint(&writer, 1);
    ek_put_uint(&writer, 1);
    ek_put_uint(&writer, nonce);
    ek_put_uint(&writer, 2);
    ek_put_uint(&writer, heard);
    ek_put_uint(&writer, 3);
    ek_put_bool(&writer, open);
    ek_put_uint(&writer, 4);
    ek_put_uint(&writer, max_frame);
    ek_put_uint(&writer, 5);
    ek_put_uint(&writer, 16384);
    bench_feed(one, EK_HELLO, EK_WHOLE, 0, bytes, writer.total);
}

void bench_run(bench *one, uint64_t us)
{
    one->now_us += us;
    one->count = 0;
    ek_link_poll(&one->link);
}

const sent *bench_find(const bench *one, uint8_t type)
{
    for (int at = 0; at < one->count; at++) {
        if (one->frames[at].type == type) {
            return &one->frames[at];
        }
    }
    return NULL;
}
