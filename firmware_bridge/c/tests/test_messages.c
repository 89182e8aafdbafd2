/* Samples, predictions and lines of text as the golden packets have them; settings as the host sends them. */
#include <string.h>

#include "bench.h"
#include "check.h"

enum { RELIABLE_WHOLE = EK_WHOLE | EK_RELIABLE };

static bench it;
static uint8_t golden[MOST_BYTES];

/* Whether the last frame sent is of a type and has the payload of a golden packet. */
static int has_left(uint8_t type, const char *name)
{
    uint16_t length = payload_of(name, golden);
    const sent *last = it.count == 0 ? NULL : &it.frames[it.count - 1];

    return last != NULL && last->type == type && last->length == length &&
           memcmp(last->payload, golden, length) == 0;
}

static void samples_leave_as_the_golden_packets_have_them(void)
{
    int16_t samples[12];
    static const int32_t irregular[] = {1, -1, INT32_MAX};
    static const uint32_t deltas[] = {1000, 2500};
    int32_t one = -5;
    ek_batch batch = {.samples = samples, .time_us = 70000, .instants = 2, .period_ns = 500000,
                      .format = EK_INT16};

    bench_open(&it);
    for (int at = 0; at < 12; at++) {
        samples[at] = (int16_t)(at * 7919 % 65536 - 32768);
    }
    CHECK(ek_link_send_int32(&it.link, 1, 1000, &one, 1) == EK_OK && has_left(EK_DATA, "data_one_sample"));
    CHECK(ek_link_send_int16(&it.link, 0, UINT32_MAX, samples, 4) == EK_OK);
    CHECK(has_left(EK_DATA, "data_three_channels"));
    CHECK(ek_link_send_batch(&it.link, &batch) == EK_OK && has_left(EK_DATA, "data_own_period"));
    batch = (ek_batch){.samples = irregular, .sensor = 1, .time_us = 70000, .instants = 3, .deltas_us = deltas,
                      .format = EK_INT32};
    CHECK(ek_link_send_batch(&it.link, &batch) == EK_OK && has_left(EK_DATA, "data_irregular"));
    memset(golden, 0x55, 236);
    {
        uint8_t same[236];
        memset(same, 0x55, sizeof same);
        batch = (ek_batch){.samples = same, .sensor = 2, .time_us = 0x01010101, .instants = 236};
        CHECK(ek_link_send_batch(&it.link, &batch) == EK_OK && has_left(EK_DATA, "data_no_zero_254"));
    }
}

static void as_many_samples_as_there_is_room_for_fill_a_frame(void)
{
    static int8_t samples[600];
    ek_batch batch = {.samples = samples, .sensor = 2, .time_us = UINT32_MAX};

    bench_open(&it);
    CHECK(ek_link_room(&it.link, 0) == 81 && ek_link_room(&it.link, 1) == 122);
    CHECK(ek_link_room(&it.link, 3) == 0);
    batch.instants = ek_link_room(&it.link, 2);
    CHECK(batch.instants == 489 && ek_link_send_batch(&it.link, &batch) == EK_OK);
    CHECK(it.frames[it.count - 1].length == 499);
    batch.instants++;
    CHECK(ek_link_send_batch(&it.link, &batch) == EK_ERR_TOO_LONG);
    bench_hello(&it, 7, 0xC0FFEE01u, true, 64);
    CHECK(ek_link_room(&it.link, 2) == 45);
    batch.instants = 47;
    CHECK(ek_link_send_batch(&it.link, &batch) == EK_ERR_TOO_LONG);
}

static void samples_that_cannot_be_are_refused(void)
{
    int16_t samples[3] = {0};
    int32_t wide[3] = {0};

    bench_open(&it);
    CHECK(ek_link_send_int16(&it.link, 3, 0, samples, 1) == EK_ERR_ARGUMENT);
    CHECK(ek_link_send_int16(&it.link, 1, 0, samples, 1) == EK_ERR_ARGUMENT);
    CHECK(ek_link_send_int32(&it.link, 0, 0, wide, 1) == EK_ERR_ARGUMENT);
    CHECK(ek_link_send_int16(&it.link, 0, 0, NULL, 1) == EK_ERR_ARGUMENT);
    CHECK(ek_link_send_int16(&it.link, 0, 0, samples, 0) == EK_ERR_ARGUMENT);
    CHECK(ek_link_send_int16(&it.link, 0, 0, samples, UINT16_MAX) == EK_ERR_TOO_LONG);
}

static void predictions_leave_as_the_golden_packets_have_them(void)
{
    static const float scores[] = {0.5f, -2.0f};
    float one = 0.125f;
    ek_prediction prediction = {.scores = &one, .score_count = 1, .time_us = 99};

    bench_open(&it);
    CHECK(ek_link_send_prediction(&it.link, &prediction, false) == EK_OK);
    CHECK(has_left(EK_PREDICTION, "prediction_score"));
    prediction = (ek_prediction){.scores = scores, .score_count = 2, .time_us = UINT32_MAX, .class_number = 1,
                                 .threshold = 0.75f, .took_us = 1234,
                                 .has = EK_HAS_CLASS | EK_HAS_THRESHOLD | EK_HAS_TOOK};
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_OK);
    CHECK(has_left(EK_PREDICTION, "prediction_reliable"));
    prediction.model = 1;
    CHECK(ek_link_send_prediction(&it.link, &prediction, false) == EK_ERR_ARGUMENT);
    prediction = (ek_prediction){.scores = scores};
    CHECK(ek_link_send_prediction(&it.link, &prediction, false) == EK_ERR_ARGUMENT);
    it.setup.hold_size = 24;
    bench_feed(&it, EK_ACK, EK_WHOLE, 1, (const uint8_t *)"", 1);
    prediction.score_count = 2;
    prediction.has = EK_HAS_CLASS | EK_HAS_THRESHOLD;
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_ERR_TOO_LONG);
}

static void a_line_of_text_is_cut_between_characters(void)
{
    char text[600];
    const sent *last;

    bench_open(&it);
    it.now_us = 5;
    bench_hello(&it, 7, 0xC0FFEE01u, true, 508);
    CHECK(ek_link_log(&it.link, EK_WARNING, "n\xC3\xA4her als 5 \xC2\xB5m") == EK_OK && has_left(EK_LOG, "log"));
    CHECK(ek_link_log(&it.link, EK_DEBUG, "") == EK_OK && has_left(EK_LOG, "log_empty"));
    for (size_t at = 0; at < sizeof text - 2; at += 2) {
        memcpy(text + at + 1, "\xC3\xA4", 2);
    }
    text[0] = 'x';
    text[sizeof text - 1] = '\0';
    CHECK(ek_link_log(&it.link, EK_INFO, text) == EK_OK);
    last = &it.frames[it.count - 1];
    CHECK(last->length == 3 + 2 + 255 && ek_cbor_valid(last->payload, last->length));
    CHECK(ek_link_log(&it.link, EK_INFO, NULL) == EK_ERR_ARGUMENT);
}

static int config(const char *payload)
{
    const sent *ack;

    it.count = 0;
    bench_say(&it, EK_CONFIG, RELIABLE_WHOLE, payload);
    bench_run(&it, 0);
    ack = bench_find(&it, EK_ACK);
    return ack == NULL ? -1 : ack->payload[0];
}

static void settings_are_applied_and_a_new_period_is_announced(void)
{
    bench_open(&it);
    CHECK(config("a200a2001a001e8480010001a3646761696e03626f6ef5656c696d6974fa3fc00000") == EK_ACK_OK);
    CHECK(it.periods == 2 && it.values == 3 && it.value == 1.5f && strcmp(it.name, "limit") == 0);
    CHECK(it.sensors[0].period_ns == 2000000 && it.sensors[1].period_ns == 0);
    CHECK(bench_find(&it, EK_HELLO) != NULL);
    CHECK(config("a0") == EK_ACK_OK && bench_find(&it, EK_HELLO) == NULL);
    CHECK(config("a10581c0") == EK_ACK_REFUSED && config("a1058101") == EK_ACK_OK);
}

static void the_first_setting_that_fails_decides(void)
{
    bench_open(&it);
    CHECK(config("a201a3646761696e03646d6f6465646661737462" "6f6ef5" "00a0") == EK_ACK_REFUSED);
    CHECK(it.values == 2 && strcmp(it.name, "mode") == 0);
    CHECK(config("a100a10300") == EK_ACK_UNKNOWN && config("a100a10020") == EK_ACK_REFUSED);
    CHECK(config("a100a1001b0000040000000001") == EK_ACK_REFUSED && it.periods == 0);
    it.ack = EK_ACK_BUSY;
    CHECK(config("a100a1001b0000040000000000") == EK_ACK_BUSY && it.periods == 1);
    it.setup.set_period = NULL;
    it.setup.set_value = NULL;
    CHECK(config("a100a10000") == EK_ACK_UNKNOWN && config("a101a1616100") == EK_ACK_UNKNOWN);
}

static void messages_against_the_rules_are_refused(void)
{
    FILE *file = open_vectors("messages.txt");
    uint8_t bytes[MOST_BYTES];
    row next;
    int seen = 0;

    bench_open(&it);
    while (next_row(file, &next)) {
        uint8_t type = (uint8_t)(strcmp(next.fields[1], "8") == 0 ? EK_CONFIG : EK_COMMAND);
        uint16_t length = bytes_of(next.fields[2], bytes);
        const sent *ack;
        if (strcmp(next.fields[1], "8") != 0 && strcmp(next.fields[1], "9") != 0) {
            continue;
        }
        bench_feed(&it, type, RELIABLE_WHOLE, it.seq++, bytes, length);
        bench_run(&it, 0);
        ack = bench_find(&it, EK_ACK);
        CHECK(ack != NULL && (ack->payload[0] == EK_ACK_REFUSED || ack->payload[0] == EK_ACK_UNKNOWN));
        CHECK(it.commands == 0 && it.periods == 0 && it.count == 1);
        seen++;
    }
    CHECK(seen > 6);
}

static void every_status_has_a_text(void)
{
    for (int status = EK_ERR_CLOSED; status <= EK_OK; status++) {
        CHECK(strcmp(ek_status_text((ek_status)status), "unknown status") != 0);
    }
    CHECK(strcmp(ek_status_text((ek_status)-99), "unknown status") == 0);
}

void test_messages(void)
{
    samples_leave_as_the_golden_packets_have_them();
    as_many_samples_as_there_is_room_for_fill_a_frame();
    samples_that_cannot_be_are_refused();
    predictions_leave_as_the_golden_packets_have_them();
    a_line_of_text_is_cut_between_characters();
    settings_are_applied_and_a_new_period_is_announced();
    the_first_setting_that_fails_decides();
    messages_against_the_rules_are_refused();
    every_status_has_a_text();
}
