/* A vibration sensor that judges itself: samples at 1 kHz, the exported model over each window, and scores, or samples too, to the host. */
#include <string.h>

#include "board.h"
#include "ek_link.h"
#include "model.h"
#include "model_golden.h"
#include "vibration.h"

enum { SAMPLE_US = 1000, LATEST_US = 2000000, BATCH_MS = 50, BATCH_ROOM = 80, BLINK_MS = 3000, RESTART_MS = 100 };
#define SAMPLE_NS UINT64_C(1000000)

EK_STATIC_ASSERT(MODEL_COLUMNS == VIBRATION_AXES, the_model_reads_these_axes);

static ek_link host;
static float window[MODEL_INPUT_SIZE];
static model_arena arena;

typedef struct application {
    vibration machine;
    ek_sensor sensor;
    uint8_t digest[6];

    uint64_t due_us; /* of the next sample */
    uint32_t samples;
    uint32_t late; /* samples that nobody had time for */

    uint16_t rows; /* in the window */
    uint32_t windows;
    uint32_t anomalies;
    uint32_t took_us; /* the longest */

    float worst; /* since the last report */
    uint32_t worst_us;
    uint32_t worst_took_us;
    bool has_worst;
    uint64_t report_us;

    int16_t batch[BATCH_ROOM * VIBRATION_AXES];
    uint16_t batch_rows;
    uint16_t batch_size; /* rows that are sent at once */
    uint32_t batch_us;
    uint16_t every; /* of the samples one is sent; 0: none */

    float threshold;
    uint32_t report_ms;
    uint32_t fault_every_s;
    bool is_scoring;

    const char *line; /* to log */
    uint64_t lamp_until_us;
    uint64_t restart_us;
} application;

static application app;

/* ---- What the host asks for. */

static ek_ack set_period(void *context, uint8_t sensor, uint64_t period_ns)
{
    application *its = (application *)context;
    uint32_t every = (uint32_t)(period_ns / SAMPLE_NS);

    if (sensor != 0) {
        return EK_ACK_UNKNOWN;
    }
    if (period_ns > 1000 * SAMPLE_NS || every * SAMPLE_NS != period_ns) {
        return EK_ACK_REFUSED;
    }
    its->sensor.period_ns = period_ns;
    its->every = (uint16_t)every;
    its->batch_rows = 0;
    its->batch_size = (uint16_t)(every == 0 || every > BATCH_MS ? 1 : BATCH_MS / every);
    return EK_ACK_OK;
}

static bool is_named(const char *name, uint16_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(name, wanted, length) == 0;
}

static ek_ack set_value(void *context, const char *name, uint16_t length, ek_reader *value)
{
    application *its = (application *)context;
    uint32_t number = 0;
    float real = 0;
    bool flag = false;

    if (is_named(name, length, "threshold")) {
        if (!ek_get_float(value, &real) || !(real >= 0.0f && real < 1e9f)) {
            return EK_ACK_REFUSED;
        }
        its->threshold = real;
    } else if (is_named(name, length, "report_ms")) {
        if (!ek_get_uint(value, &number) || number < 10 || number > 60000) {
            return EK_ACK_REFUSED;
        }
        its->report_ms = number;
    } else if (is_named(name, length, "fault_every_s")) {
        if (!ek_get_uint(value, &number) || number > 86400) {
            return EK_ACK_REFUSED;
        }
        its->fault_every_s = number;
    } else if (is_named(name, length, "scores")) {
        if (!ek_get_bool(value, &flag)) {
            return EK_ACK_REFUSED;
        }
        its->is_scoring = flag;
    } else {
        return EK_ACK_UNKNOWN;
    }
    return EK_ACK_OK;
}

static void put_count(ek_writer *value, const char *name, uint32_t count)
{
    ek_put_text(value, name);
    ek_put_uint(value, count);
}

static void put_statistics(const application *its, ek_writer *value)
{
    board_counts counts = board_counted();

    ek_put_map(value, 9);
    put_count(value, "samples", its->samples);
    put_count(value, "late", its->late);
    put_count(value, "windows", its->windows);
    put_count(value, "anomalies", its->anomalies);
    put_count(value, "took_us", its->took_us);
    put_count(value, "stack_bytes", board_stack_used());
    put_count(value, "uart_overruns", counts.uart_overruns);
    put_count(value, "ring_overruns", counts.ring_overruns);
    put_count(value, "dropped", host.counters[EK_TX_DROPPED]);
}

/* How many integers differ from LiteRT's, over the model's golden vectors. */
static uint32_t wrong_numbers(void)
{
    static int8_t integers[MODEL_INPUT_SIZE], out[MODEL_OUTPUT_SIZE];
    uint32_t wrong = 0;
    uint32_t at, each;

    for (at = 0; at < MODEL_GOLDEN_COUNT; at++) {
        const int8_t *given = model_golden_int8 + at * MODEL_INPUT_SIZE;
        const int8_t *wanted = model_golden_out + at * MODEL_OUTPUT_SIZE;
        model_prepare(model_golden_in + at * MODEL_INPUT_SIZE, integers);
        model_run(given, out, &arena);
        for (each = 0; each < MODEL_INPUT_SIZE; each++) {
            wrong += integers[each] != given[each];
        }
        for (each = 0; each < MODEL_OUTPUT_SIZE; each++) {
            wrong += out[each] != wanted[each];
        }
    }
    return wrong;
}

/* The model's integers for the host's. */
static int32_t infer(ek_command *asked)
{
    static int8_t given[MODEL_INPUT_SIZE], out[MODEL_OUTPUT_SIZE];
    const uint8_t *bytes;
    uint16_t count;

    if (!ek_get_bytes(&asked->argument, &bytes, &count) || count != MODEL_INPUT_SIZE) {
        return 1;
    }
    memcpy(given, bytes, sizeof given);
    model_run(given, out, &arena);
    ek_put_bytes(&asked->value, (const uint8_t *)out, MODEL_OUTPUT_SIZE);
    return 0;
}

static int32_t command(void *context, ek_command *asked)
{
    application *its = (application *)context;
    uint32_t number = 0;

    if (ek_command_is(asked, "fault")) {
        if (!ek_get_uint(&asked->argument, &number) || number > 86400) {
            return 1;
        }
        its->machine.fault_left = number * (1000000 / SAMPLE_US);
    } else if (ek_command_is(asked, "identify")) {
        its->line = "it is me";
        its->lamp_until_us = board_now_us(NULL) + BLINK_MS * 1000u;
    } else if (ek_command_is(asked, "statistics")) {
        put_statistics(its, &asked->value);
    } else if (ek_command_is(asked, "selftest")) {
        number = wrong_numbers();
        ek_put_map(&asked->value, 2);
        put_count(&asked->value, "vectors", MODEL_GOLDEN_COUNT);
        put_count(&asked->value, "wrong", number);
        return number == 0 ? 0 : 1;
    } else if (ek_command_is(asked, "infer")) {
        return infer(asked);
    } else if (ek_command_is(asked, "restart") && ek_peek(&asked->argument) == EK_KIND_NONE) {
        its->restart_us = board_now_us(NULL) + RESTART_MS * 1000u;
    } else if (ek_command_is(asked, "restart") || ek_command_is(asked, "crash")) {
        /* after so many bytes more, wherever in a packet that is */
        if (!ek_get_uint(&asked->argument, &number) || number > UINT16_MAX) {
            return 1;
        }
        board_stop_after((uint16_t)number, ek_command_is(asked, "restart"));
    } else {
        return -1;
    }
    return 0;
}

/* ---- Samples, windows, scores. */

static void judge(application *its, uint32_t newest_us)
{
    uint64_t begin_us = board_now_us(NULL);
    float score = model_score(window, &arena);
    uint32_t took_us = (uint32_t)(board_now_us(NULL) - begin_us);

    its->windows++;
    its->took_us = took_us > its->took_us ? took_us : its->took_us;
    its->anomalies += score > its->threshold;
    if (!its->has_worst || score > its->worst) {
        its->worst = score;
        its->worst_us = newest_us;
        its->worst_took_us = took_us;
        its->has_worst = true;
    }
    its->rows = MODEL_ROWS - MODEL_HOP;
    memmove(window, window + MODEL_HOP * MODEL_COLUMNS, sizeof(float) * its->rows * MODEL_COLUMNS);
}

static void keep_for_host(application *its, const int16_t *axes, uint32_t time_us)
{
    if (its->every == 0 || its->samples % its->every != 0 || !ek_link_is_open(&host)) {
        return;
    }
    if (its->batch_rows == BATCH_ROOM) {
        its->batch_rows = 0;
        host.counters[EK_TX_DROPPED]++;
    }
    if (its->batch_rows == 0) {
        its->batch_us = time_us;
    }
    memcpy(its->batch + its->batch_rows * VIBRATION_AXES, axes, sizeof(int16_t) * VIBRATION_AXES);
    its->batch_rows++;
}

static void sample(application *its)
{
    int16_t axes[VIBRATION_AXES];
    uint32_t axis;

    if (its->fault_every_s != 0 && its->samples % (its->fault_every_s * 1000u) == 0) {
        its->machine.fault_left = 1000;
    }
    vibration_next(&its->machine, axes);
    for (axis = 0; axis < VIBRATION_AXES; axis++) {
        window[its->rows * VIBRATION_AXES + axis] = (float)axes[axis] * (1.0f / VIBRATION_UNITS);
    }
    its->rows++;
    keep_for_host(its, axes, (uint32_t)its->due_us);
    its->samples++;
    if (its->rows == MODEL_ROWS) {
        judge(its, (uint32_t)its->due_us);
    }
}

static void take_samples(application *its)
{
    uint64_t now_us = board_now_us(NULL);

    if (now_us > its->due_us + LATEST_US) { /* somebody stopped the machine */
        uint64_t missed = (now_us - its->due_us) / SAMPLE_US;
        its->late += (uint32_t)missed;
        its->due_us += missed * SAMPLE_US;
        its->rows = 0;
        its->batch_rows = 0;
    }
    for (; its->due_us <= now_us; its->due_us += SAMPLE_US) {
        sample(its);
    }
}

/* ---- What is told. */

static void send_samples(application *its)
{
    uint16_t rows = its->batch_rows < its->batch_size ? 0 : its->batch_rows;

    if (rows != 0 && ek_link_send_int16(&host, 0, its->batch_us, its->batch, rows) != EK_ERR_BUSY) {
        its->batch_rows = 0;
    }
}

static void send_score(application *its)
{
    ek_prediction prediction = {0};
    bool is_anomaly = its->worst > its->threshold;
    uint64_t now_us;

    if (!its->has_worst || !its->is_scoring) {
        return;
    }
    now_us = board_now_us(NULL);
    if (now_us < its->report_us) {
        return;
    }
    prediction.scores = &its->worst;
    prediction.score_count = 1;
    prediction.time_us = its->worst_us;
    prediction.took_us = its->worst_took_us;
    prediction.threshold = its->threshold;
    prediction.has = EK_HAS_THRESHOLD | EK_HAS_TOOK;
    if (ek_link_send_prediction(&host, &prediction, is_anomaly) != EK_ERR_BUSY) {
        its->has_worst = false;
        its->report_us = now_us + its->report_ms * 1000u;
    }
}

static void tell(application *its)
{
    uint64_t now_us = board_now_us(NULL);

    send_samples(its);
    send_score(its);
    if (its->line != NULL && ek_link_log(&host, EK_INFO, its->line) != EK_ERR_BUSY) {
        its->line = NULL;
    }
    board_lamp(now_us < its->lamp_until_us && (now_us >> 17 & 1u) != 0);
    if (its->restart_us != 0 && now_us >= its->restart_us) {
        board_restart();
    }
}

/* The 12 hexadecimal digits that the exporter gives. */
static void read_digest(uint8_t *digest, const char *digits)
{
    uint32_t at;

    for (at = 0; at < 12 && digits[at] != '\0'; at++) {
        uint32_t digit = (uint32_t)(digits[at] <= '9' ? digits[at] - '0' : digits[at] - 'a' + 10);
        digest[at / 2] = (uint8_t)(digest[at / 2] << 4 | (digit & 15u));
    }
}

int main(void)
{
    static const ek_model models[] = {{MODEL_MODEL, app.digest, sizeof app.digest, 0}};
    static const ek_device device = {"mps2", "vibration-example", "1.0.0", &app.sensor, models, 1, 1};
    static uint8_t receive[EK_RECEIVE_SIZE(508)], transmit[EK_TRANSMIT_SIZE(508)], hold[MODEL_OUTPUT_SIZE + 192];
    static const ek_setup setup = {.context = &app, .write = board_write, .now_us = board_now_us,
        .requests = ek_requests, .set_period = set_period, .set_value = set_value, .command = command,
        .device = &device, .receive = receive, .receive_size = sizeof receive,
        .transmit = transmit, .transmit_size = sizeof transmit, .hold = hold, .hold_size = sizeof hold};

    board_init();
    vibration_init(&app.machine);
    app.sensor = (ek_sensor){"accel", "g", 0, 1.0f / VIBRATION_UNITS, 0, EK_INT16, VIBRATION_AXES};
    read_digest(app.digest, MODEL_HASH);
    app.threshold = MODEL_THRESHOLD;
    app.report_ms = 250;
    app.is_scoring = true;
    app.due_us = board_now_us(NULL);
    if (ek_link_init(&host, &setup, board_nonce()) != EK_OK) {
        return 1;
    }
    for (;;) {
        for (int byte = board_read(); byte >= 0; byte = board_read()) {
            ek_link_feed(&host, (uint8_t)byte);
        }
        ek_link_poll(&host);
        take_samples(&app);
        tell(&app);
        board_sleep();
    }
}
