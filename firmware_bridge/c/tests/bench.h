/* A device on a bench: a link whose line, clock and handlers the test holds. */
#ifndef BENCH_H
#define BENCH_H

#include "ek_link.h"

enum { MOST_FRAMES = 64 };

typedef struct sent {
    uint8_t type;
    uint8_t flags;
    uint16_t seq;
    uint16_t length;
    uint8_t payload[EK_MAX_PAYLOAD];
} sent;

typedef struct bench {
    ek_link link;
    ek_setup setup;
    ek_device device;
    ek_sensor sensors[3];
    ek_model models[1];
    uint8_t receive[EK_RECEIVE_SIZE(508)];
    uint8_t transmit[EK_TRANSMIT_SIZE(508)];
    uint8_t hold[512];
    uint8_t message[1024];

    uint64_t now_us;
    uint32_t step_us; /* that the clock goes on whenever it is read */
    uint32_t room; /* bytes that the line still takes */
    uint16_t seq;  /* of the host's reliable frames */

    ek_decoder decoder;
    uint8_t buffer[EK_MAX_FRAME];
    sent frames[MOST_FRAMES]; /* what the device has sent since `listen` was called last */
    int count;
    int damaged;

    int periods;
    int values;
    int commands;
    int given_up;
    char name[EK_MAX_NAME + 1];
    float value;
    int32_t status; /* that commands are to return */
    ek_ack ack;     /* that settings are to return */
} bench;

/* A device like the golden packets' one, just booted, with the clock at 12,345 us. */
void bench_start(bench *one);
/* The same after the host's HELLO, with nothing left to say. */
void bench_open(bench *one);
/* Feeds one frame from the host. */
void bench_feed(bench *one, uint8_t type, uint8_t flags, uint16_t seq, const uint8_t *payload,
                uint16_t length);
/* Feeds a payload that is given in hexadecimal; a reliable one gets the next number. */
void bench_say(bench *one, uint8_t type, uint8_t flags, const char *payload);
/* A HELLO of a host. */
void bench_hello(bench *one, uint32_t nonce, uint32_t heard, bool open, uint16_t max_frame);
/* Lets the device run, with `us` on the clock first, and forgets what it sent before. */
void bench_run(bench *one, uint64_t us);
/* The first frame of a type among those of the last run, or null. */
const sent *bench_find(const bench *one, uint8_t type);

#endif
