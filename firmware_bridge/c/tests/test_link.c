/* The session, heartbeats, the clock, and a line that takes no more. */
#include <string.h>

#include "bench.h"
#include "check.h"

static bench it;
static uint8_t golden[MOST_BYTES];

static int is_payload(const sent *frame, const char *name)
{
    uint16_t length = payload_of(name, golden);

    return frame != NULL && frame->length == length && memcmp(frame->payload, golden, length) == 0;
}

static void a_device_says_hello_each_second_until_a_host_answers(void)
{
    bench_start(&it);
    it.setup.message = NULL;
    it.setup.message_size = 0;
    bench_run(&it, 0);
    CHECK(it.count == 1 && it.frames[0].flags == EK_WHOLE && is_payload(&it.frames[0], "hello_device"));
    bench_run(&it, 999999);
    CHECK(it.count == 0);
    bench_run(&it, 1);
    CHECK(it.count == 1 && it.frames[0].type == EK_HELLO && it.frames[0].seq == 1);
    bench_run(&it, 10000000);
    CHECK(it.count == 1);
}

static void the_answer_to_a_host_says_whether_the_session_is_open(void)
{
    bench_start(&it);
    it.setup.message = NULL;
    it.setup.message_size = 0;
    bench_run(&it, 0);
    bench_hello(&it, 7, 0, false, 508);
    bench_run(&it, 0);
    CHECK(it.count == 1 && !ek_link_is_open(&it.link));
    bench_hello(&it, 7, 0xC0FFEE01u, false, 508);
    bench_run(&it, 0);
    CHECK(it.count == 1 && ek_link_is_open(&it.link) && is_payload(&it.frames[0], "hello_device_open"));
    bench_hello(&it, 7, 0xC0FFEE01u, true, 508);
    bench_run(&it, 0);
    CHECK(it.count == 0 && ek_link_is_open(&it.link));
    bench_hello(&it, 7, 5, true, 508);
    bench_run(&it, 0);
    CHECK(it.count == 0 && !ek_link_is_open(&it.link));
}

static void before_a_session_everything_but_hello_is_dropped(void)
{
    bench_start(&it);
    bench_run(&it, 0);
    bench_say(&it, EK_COMMAND, EK_WHOLE | EK_RELIABLE, "821902016963616c696272617465");
    bench_say(&it, EK_TIME, EK_WHOLE, "82001b00065bfeda27c240");
    bench_run(&it, 0);
    CHECK(it.count == 0 && it.commands == 0 && it.link.counters[EK_RX_DROPPED] == 2);
    CHECK(ek_link_log(&it.link, EK_INFO, "x") == EK_ERR_CLOSED);
}

static void five_silent_seconds_close_a_session_and_a_hello_opens_it_again(void)
{
    bench_open(&it);
    bench_run(&it, 4999999);
    CHECK(ek_link_is_open(&it.link));
    bench_say(&it, EK_HEARTBEAT, EK_WHOLE, "a10000");
    bench_run(&it, 4999999);
    CHECK(ek_link_is_open(&it.link));
    bench_run(&it, 1);
    CHECK(!ek_link_is_open(&it.link));
    bench_run(&it, 1000000);
    CHECK(it.count == 1 && it.frames[0].type == EK_HELLO);
    bench_hello(&it, 7, 0xC0FFEE01u, true, 508);
    CHECK(ek_link_is_open(&it.link));
}

static void a_line_that_echoes_opens_nothing(void)
{
    bench_start(&it);
    bench_run(&it, 0);
    bench_hello(&it, 0xC0FFEE01u, 0, false, 508);
    bench_hello(&it, 0xC0FFEE01u, 0xC0FFEE01u, false, 508);
    bench_run(&it, 0);
    CHECK(it.count == 0 && !ek_link_is_open(&it.link) && it.link.counters[EK_RX_DROPPED] == 2);
}

static void a_place_for_messages_shorter_than_a_frame_is_not_told_of(void)
{
    ek_reader reader;
    uint16_t pairs = 0;
    uint64_t key = 0;
    uint64_t value = 0;
    bool open;

    bench_start(&it);
    it.setup.message_size = 20;
    bench_run(&it, 0);
    ek_reader_init(&reader, it.frames[0].payload, it.frames[0].length);
    CHECK(it.count == 1 && ek_get_map(&reader, &pairs));
    while (key != 5 && ek_get_uint64(&reader, &key)) {
        CHECK(key == 3 ? ek_get_bool(&reader, &open) : ek_get_uint64(&reader, &value));
    }
    CHECK(key == 5 && value == it.setup.receive_size - EK_OVERHEAD);
}

static void a_heartbeat_comes_each_second_with_the_counters(void)
{
    ek_reader reader;
    uint16_t pairs = 0;
    uint64_t key;
    uint64_t value = 0;

    bench_open(&it);
    ek_link_feed(&it.link, 1);
    ek_link_feed(&it.link, 0);
    bench_run(&it, 1000000);
    CHECK(it.count == 1 && it.frames[0].type == EK_HEARTBEAT);
    ek_reader_init(&reader, it.frames[0].payload, it.frames[0].length);
    CHECK(ek_get_map(&reader, &pairs) && pairs == 8);
    CHECK(ek_get_uint64(&reader, &key) && key == 0 && ek_get_uint64(&reader, &value) && value == 1012345);
    for (uint64_t counter = 0; counter < EK_COUNTERS; counter++) {
        CHECK(ek_get_uint64(&reader, &key) && key == counter + 1 && ek_get_uint64(&reader, &value));
        CHECK(counter != EK_RX_ERRORS || value == 1);
        CHECK(counter != EK_RX_FRAMES || value == 1);
        CHECK(counter != EK_TX_FRAMES || value == 1);
    }
    bench_run(&it, 999999);
    CHECK(it.count == 0);
    bench_run(&it, 1);
    CHECK(it.count == 1);
}

static void the_clock_is_told_with_the_time_the_answer_really_left(void)
{
    ek_reader reader;
    uint16_t items;
    uint64_t value = 0;
    uint64_t epoch = 0;
    const sent *answer;
    int16_t samples[3] = {1, 2, 3};

    bench_open(&it);
    CHECK(!ek_link_epoch_us(&it.link, &epoch));
    it.room = 5;
    CHECK(ek_link_send_int16(&it.link, 0, 0, samples, 1) == EK_OK);
    it.now_us = 5000000;
    bench_say(&it, EK_TIME, EK_WHOLE, "83001b00065bfeda27c2403a075bcd14");
    bench_run(&it, 300);
    CHECK(it.count == 0);
    it.room = UINT32_MAX;
    bench_run(&it, 21);
    answer = bench_find(&it, EK_TIME);
    CHECK(answer != NULL);
    if (answer == NULL) {
        return;
    }
    ek_reader_init(&reader, answer->payload, answer->length);
    CHECK(ek_get_array(&reader, &items) && items == 4 && ek_get_uint64(&reader, &value) && value == 1);
    CHECK(ek_get_uint64(&reader, &value) && value == 1790000000123456u);
    CHECK(ek_get_uint64(&reader, &value) && value == 5000000);
    CHECK(ek_get_uint64(&reader, &value) && value == 5000321);
    CHECK(is_payload(answer, "time_answer"));
    CHECK(ek_link_epoch_us(&it.link, &epoch) && epoch == UINT64_C(5000321) - 123456789u);
    bench_hello(&it, 8, 0xC0FFEE01u, true, 508);
    CHECK(!ek_link_epoch_us(&it.link, &epoch));
}

static void a_question_that_is_wrong_is_not_answered(void)
{
    static const char *const wrong[] = {"8100", "82011a00010000", "820020", "8300016161", "a0", "00"};

    bench_open(&it);
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
        bench_say(&it, EK_TIME, EK_WHOLE, wrong[at]);
        bench_run(&it, 0);
        CHECK(it.count == 0 && it.link.counters[EK_RX_DROPPED] == at + 1);
    }
}

static void a_hello_that_is_wrong_changes_nothing(void)
{
    FILE *file = open_vectors("messages.txt");
    uint8_t bytes[MOST_BYTES];
    row next;
    int seen = 0;

    bench_open(&it);
    while (next_row(file, &next)) {
        if (strcmp(next.fields[1], "1") == 0 && strncmp(next.fields[0], "hello", 5) == 0) {
            uint16_t length = bytes_of(next.fields[2], bytes);
            bench_feed(&it, EK_HELLO, EK_WHOLE, 0, bytes, length);
            CHECK(ek_link_is_open(&it.link) && it.link.peer == 7);
            seen++;
        }
    }
    CHECK(seen > 3 && it.link.counters[EK_RX_DROPPED] == (uint32_t)seen);
}

static void a_hello_travels_in_chunks_to_a_host_of_short_frames(void)
{
    uint8_t joined[1024];
    uint16_t used = 0;

    bench_start(&it);
    it.setup.message = NULL;
    it.setup.message_size = 0;
    it.setup.transmit_size = (uint16_t)EK_WIRE_SIZE(64);
    bench_run(&it, 0);
    CHECK(it.count > 3 && it.frames[0].flags == EK_FIRST);
    for (int at = 0; at < it.count; at++) {
        CHECK(it.frames[at].type == EK_HELLO && it.frames[at].seq == at && it.frames[at].length <= 55);
        CHECK(it.frames[at].flags == (at == 0 ? EK_FIRST : at == it.count - 1 ? EK_LAST : 0));
        memcpy(joined + used, it.frames[at].payload, it.frames[at].length);
        used = (uint16_t)(used + it.frames[at].length);
    }
    CHECK(payload_of("hello_device", golden) == used && memcmp(golden, joined, used) == 0);
}

static void a_line_that_takes_a_byte_at_a_time_gets_whole_frames(void)
{
    int16_t samples[3] = {1, -2, 3};
    int frames = 0;

    bench_open(&it);
    it.room = 1;
    CHECK(ek_link_send_int16(&it.link, 0, 9, samples, 1) == EK_OK);
    CHECK(ek_link_send_int16(&it.link, 0, 9, samples, 1) == EK_ERR_BUSY);
    CHECK(ek_link_log(&it.link, EK_INFO, "x") == EK_ERR_BUSY);
    it.count = 0;
    for (int turn = 0; turn < 100; turn++) {
        it.room = 1;
        ek_link_poll(&it.link);
        frames = it.count;
    }
    CHECK(frames == 1 && it.frames[0].type == EK_DATA && it.damaged == 0);
    CHECK(ek_link_send_int16(&it.link, 0, 9, samples, 1) == EK_OK);
}

static void a_link_that_cannot_work_is_refused(void)
{
    ek_setup wrong;

    bench_start(&it);
    CHECK(ek_link_init(&it.link, &it.setup, 0) == EK_ERR_ARGUMENT);
    CHECK(ek_link_init(NULL, &it.setup, 1) == EK_ERR_ARGUMENT);
    CHECK(ek_link_init(&it.link, NULL, 1) == EK_ERR_ARGUMENT);
    wrong = it.setup;
    wrong.receive_size = 63;
    CHECK(ek_link_init(&it.link, &wrong, 1) == EK_ERR_ARGUMENT);
    wrong = it.setup;
    wrong.transmit_size = 66;
    CHECK(ek_link_init(&it.link, &wrong, 1) == EK_ERR_ARGUMENT);
    wrong = it.setup;
    wrong.hold_size = 23;
    CHECK(ek_link_init(&it.link, &wrong, 1) == EK_ERR_ARGUMENT);
    wrong = it.setup;
    wrong.hold = NULL;
    CHECK(ek_link_init(&it.link, &wrong, 1) == EK_ERR_ARGUMENT);
}

static void damage_costs_one_frame(void)
{
    bench_open(&it);
    for (int byte = 0; byte < 3; byte++) {
        ek_link_feed(&it.link, 0x55);
    }
    bench_say(&it, EK_HEARTBEAT, EK_WHOLE, "a10000");
    CHECK(it.link.counters[EK_RX_ERRORS] == 1);
    bench_say(&it, EK_TIME, EK_WHOLE, "820000");
    bench_run(&it, 0);
    CHECK(it.count == 1 && it.frames[0].type == EK_TIME);
}

void test_link(void)
{
    a_device_says_hello_each_second_until_a_host_answers();
    the_answer_to_a_host_says_whether_the_session_is_open();
    before_a_session_everything_but_hello_is_dropped();
    five_silent_seconds_close_a_session_and_a_hello_opens_it_again();
    a_line_that_echoes_opens_nothing();
    a_place_for_messages_shorter_than_a_frame_is_not_told_of();
    a_heartbeat_comes_each_second_with_the_counters();
    the_clock_is_told_with_the_time_the_answer_really_left();
    a_question_that_is_wrong_is_not_answered();
    a_hello_that_is_wrong_changes_nothing();
    a_hello_travels_in_chunks_to_a_host_of_short_frames();
    a_line_that_takes_a_byte_at_a_time_gets_whole_frames();
    a_link_that_cannot_work_is_refused();
    damage_costs_one_frame();
}
