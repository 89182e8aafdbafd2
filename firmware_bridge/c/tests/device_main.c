/* ek_device: a device of this library behind a pipe, for sessions with other implementations, in a time that the other end sets.
 *
 * A line of stdin is "MICROSECONDS BYTES": the device's clock, and what came over its line (hexadecimal, "-" for nothing). The answer is one line:
 * what it sent. Its sensor "ramp" is int16 with two channels, each millisecond: the low 15 bits of the milliseconds, and their negative. Instant 0 is at 1 ms. It sends
 * 50 instants at once, each second a reliable prediction whose score is the second, and takes the commands "double" (of an integer), "many" (that many zeros) and
 * "later". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ek_link.h"

enum { BATCH = 50, LONGEST = 1 << 16 };

typedef struct world {
    uint64_t now_us;
    uint8_t sent[LONGEST];
    size_t count;
    ek_sensor sensor;
    bool has_later;
    uint16_t later;
} world;

static uint16_t write_line(void *context, const uint8_t *bytes, uint16_t count)
{
    world *all = (world *)context;
    uint16_t room = (uint16_t)(count < LONGEST - all->count ? count : LONGEST - all->count);

    memcpy(all->sent + all->count, bytes, room);
    all->count += room;
    return room;
}

static uint64_t now(void *context)
{
    return ((world *)context)->now_us;
}

static ek_ack set_period(void *context, uint8_t sensor, uint64_t period_ns)
{
    (void)sensor;
    if (period_ns != 0 && period_ns != 1000000) {
        return EK_ACK_REFUSED;
    }
    ((world *)context)->sensor.period_ns = period_ns;
    return EK_ACK_OK;
}

static int32_t command(void *context, ek_command *asked)
{
    world *all = (world *)context;
    int64_t number = 0;

    if (ek_command_is(asked, "later")) {
        all->has_later = true;
        all->later = asked->id;
        return EK_LATER;
    }
    if (!ek_get_int64(&asked->argument, &number)) {
        return -22;
    }
    if (ek_command_is(asked, "double")) {
        ek_put_int64(&asked->value, number * 2);
        return 0;
    }
    if (ek_command_is(asked, "many") && number >= 0 && number < 10000) {
        ek_put_array(&asked->value, (uint16_t)number);
        for (; number > 0; number--) {
            ek_put_uint(&asked->value, 0);
        }
        return 0;
    }
    return -38;
}

static void feed(ek_link *link, const char *text)
{
    unsigned byte;

    for (; sscanf(text, "%2x", &byte) == 1; text += 2) {
        ek_link_feed(link, (uint8_t)byte);
    }
}

static void work(ek_link *link, world *all)
{
    static int16_t samples[2 * BATCH];
    static uint64_t instants; /* taken so far */
    static uint64_t seconds;
    static uint16_t used;
    float score = (float)(all->now_us / 1000000);
    ek_prediction prediction = {.scores = &score, .score_count = 1, .time_us = (uint32_t)all->now_us};

    for (; (instants + 1) * 1000 <= all->now_us; instants++) {
        if (all->sensor.period_ns == 0) {
            continue;
        }
        samples[2 * used] = (int16_t)((instants + 1) & 0x7FFF);
        samples[2 * used + 1] = (int16_t)-samples[2 * used];
        if (++used == BATCH) {
            uint32_t first = (uint32_t)((instants + 2 - BATCH) * 1000);
            if (ek_link_send_int16(link, 0, first, samples, BATCH) != EK_OK) {
                link->counters[EK_TX_DROPPED]++;
            }
            used = 0;
        }
    }
    if (all->now_us / 1000000 > seconds && ek_link_send_prediction(link, &prediction, true) != EK_ERR_BUSY) {
        seconds = all->now_us / 1000000;
    }
    if (all->has_later && ek_link_respond(link, all->later, 7, NULL, 0) == EK_OK) {
        all->has_later = false;
    }
}

int main(void)
{
    static char line[4 * LONGEST];
    static world all;
    static uint8_t receive[EK_RECEIVE_SIZE(64)];
    static uint8_t transmit[EK_TRANSMIT_SIZE(508)];
    static uint8_t hold[1024];
    static uint8_t message[512];
    static const uint8_t digest[4] = {1, 2, 3, 4};
    static const ek_model models[] = {{"seconds", digest, sizeof digest, 0}};
    const ek_device device = {"c-device", "test", "1", &all.sensor, models, 1, 1};
    ek_setup setup = {0};
    ek_link link;
    char *bytes;

    all.sensor = (ek_sensor){"ramp", "ms", 1000000, 1, 0, EK_INT16, 2};
    setup.context = &all;
    setup.write = write_line;
    setup.now_us = now;
    setup.requests = ek_requests;
    setup.set_period = set_period;
    setup.command = command;
    setup.device = &device;
    setup.receive = receive;
    setup.receive_size = sizeof receive;
    setup.transmit = transmit;
    setup.transmit_size = sizeof transmit;
    setup.hold = hold;
    setup.hold_size = sizeof hold;
    setup.message = message;
    setup.message_size = sizeof message;
    if (ek_link_init(&link, &setup, 77) != EK_OK) {
        return 2;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        all.now_us = strtoull(line, &bytes, 10);
        feed(&link, bytes + 1);
        ek_link_poll(&link);
        work(&link, &all);
        for (size_t at = 0; at < all.count; at++) {
            printf("%02x", (unsigned)all.sent[at]);
        }
        puts(all.count == 0 ? "-" : "");
        fflush(stdout);
        all.count = 0;
    }
    return 0;
}
