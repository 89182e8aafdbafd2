/* What is acknowledged, repeated, given up, and done once only; and messages in chunks. */
#include <string.h>

#include "bench.h"
#include "check.h"

#define COMMAND "821902016963616c696272617465" /* [513, "calibrate"] */
enum { RELIABLE_WHOLE = EK_WHOLE | EK_RELIABLE };

static bench it;
static uint8_t bytes[MOST_BYTES];

/* The status of the only acknowledgement of the last run, or -1. */
static int acknowledged(uint16_t seq)
{
    const sent *ack;

    bench_run(&it, 0);
    ack = bench_find(&it, EK_ACK);
    return ack != NULL && ack->flags == EK_WHOLE && ack->seq == seq && ack->length == 1 ? ack->payload[0]
                                                                                       : -1;
}

static void acknowledge(uint16_t seq, uint8_t status)
{
    bench_feed(&it, EK_ACK, EK_WHOLE, seq, &status, 1);
}

static void a_command_is_acknowledged_and_answered(void)
{
    const sent *response;

    bench_open(&it);
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(it.commands == 1 && strcmp(it.name, "calibrate") == 0);
    CHECK(acknowledged(0) == EK_ACK_OK && it.count == 2);
    response = bench_find(&it, EK_RESPONSE);
    CHECK(response != NULL && response->flags == RELIABLE_WHOLE && response->seq == 1);
    CHECK(response != NULL && payload_of("response", bytes) == response->length &&
          memcmp(bytes, response->payload, response->length) == 0);
    acknowledge(1, EK_ACK_OK);
    bench_run(&it, 900000);
    CHECK(it.count == 0 && it.given_up == 0);
}

static void a_repetition_is_acknowledged_again_and_not_done_again(void)
{
    bench_open(&it);
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(acknowledged(0) == EK_ACK_OK);
    it.seq = 0;
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(it.commands == 1 && acknowledged(0) == EK_ACK_OK);
    it.seq = UINT16_MAX - 5; /* one that is older still */
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(it.commands == 1 && acknowledged(UINT16_MAX - 5) == EK_ACK_OK);
    acknowledge(1, EK_ACK_OK);
    it.seq = 1;
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(it.commands == 2 && acknowledged(1) == EK_ACK_OK);
    acknowledge(2, EK_ACK_OK);
    it.seq = 32768; /* the furthest that counts as newer */
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(it.commands == 3);
}

static void a_new_session_takes_any_number(void)
{
    bench_open(&it);
    it.seq = 100;
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    bench_run(&it, 0);
    bench_hello(&it, 8, 0xC0FFEE01u, true, 508);
    CHECK(it.given_up == 1);
    it.seq = 100;
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(it.commands == 2);
}

static void a_message_without_acknowledgement_is_sent_five_times_and_given_up(void)
{
    static const uint32_t waits[] = {250000, 500000, 1000000, 2000000};
    float score = 0.5f;
    ek_prediction prediction = {.scores = &score, .score_count = 1, .time_us = 99};
    uint16_t seq;

    bench_open(&it);
    it.count = 0;
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_OK);
    CHECK(it.count == 1 && it.frames[0].flags == RELIABLE_WHOLE);
    seq = it.frames[0].seq;
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_ERR_BUSY);
    for (size_t at = 0; at < sizeof waits / sizeof waits[0]; at++) {
        bench_say(&it, EK_HEARTBEAT, EK_WHOLE, "a10000");
        bench_run(&it, waits[at] - 1);
        CHECK(bench_find(&it, EK_PREDICTION) == NULL);
        bench_run(&it, 1);
        CHECK(bench_find(&it, EK_PREDICTION) != NULL && bench_find(&it, EK_PREDICTION)->seq == seq);
    }
    bench_say(&it, EK_HEARTBEAT, EK_WHOLE, "a10000");
    bench_run(&it, 1999999);
    CHECK(it.given_up == 0);
    bench_run(&it, 1);
    CHECK(it.given_up == 1 && it.link.counters[EK_TX_DROPPED] == 1 && it.link.counters[EK_TX_REPEATS] == 4);
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_OK);
    acknowledge(seq, EK_ACK_OK); /* of the one before: too late */
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_ERR_BUSY);
    acknowledge((uint16_t)(seq + 1), EK_ACK_OK);
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_OK);
}

static void what_is_under_way_when_a_session_closes_is_given_up(void)
{
    float score = 0.5f;
    ek_prediction prediction = {.scores = &score, .score_count = 1, .time_us = 99};

    bench_open(&it);
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_OK);
    bench_run(&it, 5000000);
    CHECK(!ek_link_is_open(&it.link) && it.given_up == 1);
    bench_run(&it, UINT64_C(2700000000)); /* until signed 32-bit differences of times are negative */
    bench_hello(&it, 7, 0xC0FFEE01u, true, 508);
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_OK);
    CHECK(bench_find(&it, EK_PREDICTION) != NULL);
    bench_hello(&it, 7, 1, true, 508);
    CHECK(!ek_link_is_open(&it.link) && it.given_up == 2);
}

static void a_clock_that_goes_on_meanwhile_repeats_nothing_early(void)
{
    float score = 0.5f;
    ek_prediction prediction = {.scores = &score, .score_count = 1};

    bench_open(&it);
    it.step_us = 1;
    it.count = 0;
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_OK);
    CHECK(it.count == 1 && it.link.counters[EK_TX_REPEATS] == 0 && it.given_up == 0);
    bench_run(&it, 200000);
    CHECK(it.count == 0);
}

static void the_wait_begins_when_the_frame_has_left(void)
{
    float score = 0.5f;
    ek_prediction prediction = {.scores = &score, .score_count = 1};

    bench_open(&it);
    it.room = 3;
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_OK);
    bench_run(&it, 900000);
    it.room = UINT32_MAX;
    bench_run(&it, 0);
    CHECK(it.count == 1 && it.frames[0].type == EK_PREDICTION);
    bench_run(&it, 249999);
    CHECK(bench_find(&it, EK_PREDICTION) == NULL);
    bench_run(&it, 1);
    CHECK(bench_find(&it, EK_PREDICTION) != NULL);
}

static void busy_waits_and_refused_ends_it(void)
{
    float score = 0.5f;
    ek_prediction prediction = {.scores = &score, .score_count = 1};

    bench_open(&it);
    CHECK(ek_link_send_prediction(&it.link, &prediction, true) == EK_OK);
    acknowledge(1, EK_ACK_BUSY);
    bench_run(&it, 249999);
    CHECK(it.count == 0);
    bench_run(&it, 1);
    CHECK(it.count == 1 && it.frames[0].seq == 1);
    acknowledge(1, EK_ACK_REFUSED);
    CHECK(it.given_up == 1);
    bench_run(&it, 900000);
    CHECK(bench_find(&it, EK_PREDICTION) == NULL);
}

static void a_command_waits_while_a_response_is_under_way(void)
{
    bench_open(&it);
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(acknowledged(0) == EK_ACK_OK);
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(it.commands == 1 && acknowledged(1) == EK_ACK_BUSY);
    acknowledge(1, EK_ACK_OK);
    it.seq = 1;
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(it.commands == 2 && acknowledged(1) == EK_ACK_OK);
}

static void a_type_that_is_not_known_is_said_to_be(void)
{
    bench_open(&it);
    bench_say(&it, 77, RELIABLE_WHOLE, "a0");
    CHECK(acknowledged(0) == EK_ACK_UNKNOWN);
    bench_say(&it, EK_DATA, RELIABLE_WHOLE, "83000041aa");
    CHECK(acknowledged(1) == EK_ACK_UNKNOWN);
    bench_say(&it, 77, EK_WHOLE, "a0");
    CHECK(acknowledged(0) == -1 && it.count == 0);
    bench_say(&it, EK_COMMAND, EK_WHOLE, COMMAND); /* not reliable: not as the protocol has it */
    CHECK(it.commands == 0);
}

static void a_long_command_comes_in_chunks(void)
{
    uint16_t length = payload_of("command_with_argument", bytes);
    uint8_t joined[64];

    memcpy(joined, bytes, length);
    bench_open(&it);
    bench_feed(&it, EK_COMMAND, EK_RELIABLE | EK_FIRST, 0, joined, 3);
    CHECK(acknowledged(0) == EK_ACK_OK && it.commands == 0);
    bench_feed(&it, EK_COMMAND, EK_RELIABLE, 1, joined + 3, 5);
    CHECK(acknowledged(1) == EK_ACK_OK && it.commands == 0);
    bench_feed(&it, EK_COMMAND, EK_RELIABLE, 1, joined + 3, 5);
    CHECK(acknowledged(1) == EK_ACK_OK);
    bench_feed(&it, EK_COMMAND, EK_RELIABLE | EK_LAST, 2, joined + 8, (uint16_t)(length - 8));
    CHECK(acknowledged(2) == EK_ACK_OK && it.commands == 1 && strcmp(it.name, "move") == 0);
    bench_feed(&it, EK_COMMAND, EK_RELIABLE | EK_FIRST, 3, joined, 3);
    CHECK(acknowledged(3) == EK_ACK_OK);
    bench_feed(&it, EK_COMMAND, EK_RELIABLE | EK_LAST, 4, joined + 3, (uint16_t)(length - 3));
    CHECK(acknowledged(4) == EK_ACK_BUSY && it.commands == 1); /* the response before is under way */
    acknowledge(1, EK_ACK_OK);
    bench_feed(&it, EK_COMMAND, EK_RELIABLE | EK_LAST, 4, joined + 3, (uint16_t)(length - 3));
    CHECK(acknowledged(4) == EK_ACK_OK && it.commands == 2);
}

static void chunks_out_of_order_are_refused_and_too_many_are_too_long(void)
{
    bench_open(&it);
    memset(bytes, 0, sizeof bytes);
    bench_feed(&it, EK_CONFIG, EK_RELIABLE, 0, bytes, 3);
    CHECK(acknowledged(0) == EK_ACK_REFUSED);
    bench_feed(&it, EK_CONFIG, EK_RELIABLE | EK_FIRST, 1, bytes, 3);
    CHECK(acknowledged(1) == EK_ACK_OK);
    bench_feed(&it, EK_COMMAND, EK_RELIABLE | EK_LAST, 2, bytes, 3);
    CHECK(acknowledged(2) == EK_ACK_REFUSED);
    bench_feed(&it, EK_CONFIG, EK_RELIABLE | EK_LAST, 3, bytes, 3);
    CHECK(acknowledged(3) == EK_ACK_REFUSED); /* what was gathered is gone */
    for (uint16_t seq = 4; seq < 7; seq++) {
        uint8_t flags = (uint8_t)(EK_RELIABLE | (seq == 4 ? EK_FIRST : 0));
        bench_feed(&it, EK_CONFIG, flags, seq, bytes, 400);
        CHECK(acknowledged(seq) == (seq == 6 ? EK_ACK_TOO_LONG : EK_ACK_OK));
    }
    it.setup.message_size = 0;
    it.setup.message = NULL;
    bench_feed(&it, EK_CONFIG, EK_RELIABLE | EK_FIRST, 7, bytes, 1);
    CHECK(acknowledged(7) == EK_ACK_TOO_LONG);
}

static void a_long_response_leaves_in_chunks(void)
{
    uint8_t joined[1024];
    uint16_t used = 0;
    int chunks = 0;

    bench_open(&it);
    bench_hello(&it, 7, 0xC0FFEE01u, true, 64);
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, "830166726570656174" "18c8"); /* [1, "repeat", 200] */
    for (uint16_t seq = 1; seq < 10; seq++) {
        const sent *chunk;
        bench_run(&it, 0);
        chunk = bench_find(&it, EK_RESPONSE);
        if (chunk == NULL) {
            break;
        }
        CHECK(chunk->seq == seq && chunk->length <= 55);
        CHECK(((chunk->flags & EK_FIRST) != 0) == (seq == 1));
        memcpy(joined + used, chunk->payload, chunk->length);
        used = (uint16_t)(used + chunk->length);
        acknowledge(seq, EK_ACK_OK);
        chunks++;
        if ((chunk->flags & EK_LAST) != 0) {
            bench_run(&it, 0);
            CHECK(it.count == 0);
            break;
        }
    }
    CHECK(chunks == 4 && used == 205 && memcmp(joined, "\x83\x01\x00\x98\xC8\x07", 6) == 0);
    CHECK(ek_cbor_valid(joined, used));
}

static void a_value_that_does_not_fit_is_said_to_be_too_long(void)
{
    const sent *response;

    bench_open(&it);
    it.setup.hold_size = 24;
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, "830166726570656174" "18c8");
    bench_run(&it, 0);
    response = bench_find(&it, EK_RESPONSE);
    CHECK(response != NULL && response->length == 5 && memcmp(response->payload, "\x82\x01\x39\x7F\xFF", 5) == 0);
}

static void a_response_may_come_later(void)
{
    const sent *response;

    bench_open(&it);
    it.status = EK_LATER;
    bench_say(&it, EK_COMMAND, RELIABLE_WHOLE, COMMAND);
    CHECK(acknowledged(0) == EK_ACK_OK && it.count == 1);
    it.count = 0;
    CHECK(ek_link_respond(&it.link, 513, -22, (const uint8_t *)"\x81", 1) == EK_ERR_ARGUMENT);
    CHECK(ek_link_respond(&it.link, 513, -22, (const uint8_t *)"\x81\x05", 2) == EK_OK);
    CHECK(ek_link_respond(&it.link, 513, 0, NULL, 0) == EK_ERR_BUSY);
    response = bench_find(&it, EK_RESPONSE);
    CHECK(response != NULL && response->length == 7 &&
          memcmp(response->payload, "\x83\x19\x02\x01\x35\x81\x05", 7) == 0);
}

void test_reliable(void)
{
    a_command_is_acknowledged_and_answered();
    a_repetition_is_acknowledged_again_and_not_done_again();
    a_new_session_takes_any_number();
    a_message_without_acknowledgement_is_sent_five_times_and_given_up();
    what_is_under_way_when_a_session_closes_is_given_up();
    a_clock_that_goes_on_meanwhile_repeats_nothing_early();
    the_wait_begins_when_the_frame_has_left();
    busy_waits_and_refused_ends_it();
    a_command_waits_while_a_response_is_under_way();
    a_type_that_is_not_known_is_said_to_be();
    a_long_command_comes_in_chunks();
    chunks_out_of_order_are_refused_and_too_many_are_too_long();
    a_long_response_leaves_in_chunks();
    a_value_that_does_not_fit_is_said_to_be_too_long();
    a_response_may_come_later();
}
