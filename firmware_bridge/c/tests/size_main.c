/* The least that firmware has around a link; tools/bridge_sizes.py weighs the library in it. WITH_PREDICTIONS: sends reliable
 * predictions too; WITH_REQUESTS: and takes CONFIG and COMMAND. */
#include "ek_link.h"

extern volatile uint8_t line_register;
extern volatile uint32_t clock_register;

static uint16_t write_line(void *context, const uint8_t *bytes, uint16_t count)
{
    (void)context;
    (void)count;
    line_register = *bytes;
    return 1;
}

static uint64_t now(void *context)
{
    (void)context;
    return clock_register;
}

#ifdef WITH_REQUESTS
static ek_ack set_period(void *context, uint8_t sensor, uint64_t period_ns)
{
    (void)context;
    return sensor == 0 && period_ns != 0 ? EK_ACK_OK : EK_ACK_REFUSED;
}

static int32_t command(void *context, ek_command *asked)
{
    (void)context;
    return asked->name_length;
}
#endif

static const uint8_t digest[4] = {1, 2, 3, 4};
static const ek_sensor sensors[] = {{"accel", "m/s2", 1000000, 1.0f, 0.0f, EK_INT16, 1}};
static const ek_model models[] = {{"autoencoder", digest, sizeof digest, 0}};
static const ek_device device = {"device", "firmware", "1", sensors, models, 1, 1};
static uint8_t receive[EK_RECEIVE_SIZE(508)];
static uint8_t transmit[EK_TRANSMIT_SIZE(508)];
static uint8_t hold[64];
static ek_link host;

static const ek_setup setup = {.write = write_line,
                               .now_us = now,
#ifdef WITH_REQUESTS
                               .requests = ek_requests,
                               .set_period = set_period,
                               .command = command,
#endif
                               .device = &device,
                               .receive = receive,
                               .receive_size = sizeof receive,
                               .transmit = transmit,
                               .transmit_size = sizeof transmit,
                               .hold = hold,
                               .hold_size = sizeof hold};

int main(void)
{
    static int16_t samples[64];
#ifdef WITH_PREDICTIONS
    static float score;
    ek_prediction prediction = {.scores = &score, .score_count = 1};
#endif

    ek_link_init(&host, &setup, 1);
    for (;;) {
        ek_link_feed(&host, line_register);
        ek_link_poll(&host);
        (void)ek_link_send_int16(&host, 0, clock_register, samples, 64);
#ifdef WITH_PREDICTIONS
        (void)ek_link_send_prediction(&host, &prediction, true);
#endif
    }
}
