/* counting: what the model and the bridge cost, in ticks of a timer that an emulator ties to instructions.
 *
 * Prints `name ticks times` lines by semihosting and ends. QEMU's `-icount shift=N` makes an instruction take 2^N ns of the
 * machine's time, and a tick of the timer is 40 ns, so ticks are instructions. Only QEMU and debuggers can run it. */
#include <string.h>

#include "ek_link.h"
#include "model.h"
#include "model_golden.h"
#include "startup.h"

#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000u)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)

enum { SYS_WRITE0 = 4, SYS_EXIT = 0x18, EXIT_WELL = 0x20026, EXIT_ILL = 0x20023 };
enum { MODEL_RUNS = 50, SECONDS = 20, RATE = 1000, BATCH = 80, NONCE = 99, PAINTED = 400 };
typedef void (*piece)(uint32_t times);

static model_arena arena;
static int8_t integers[MODEL_INPUT_SIZE], outputs[MODEL_OUTPUT_SIZE];
static volatile float kept;
static ek_link host;
static uint64_t now_us;
static uint32_t bytes_sent;
static uint8_t from_host[4 * EK_MAX_WIRE];
static uint16_t from_host_count;

static uint32_t call_debugger(uint32_t what, uint32_t with)
{
    register uint32_t r0 __asm("r0") = what;
    register uint32_t r1 __asm("r1") = with;

    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void finish(bool is_well)
{
    call_debugger(SYS_EXIT, is_well ? EXIT_WELL : EXIT_ILL);
}

static void say(const char *name, uint32_t number, uint32_t times)
{
    char line[64];
    char *at = line + sizeof line;
    uint32_t both[2];
    uint32_t each;
    size_t length = strlen(name);

    both[0] = times;
    both[1] = number;
    *--at = '\0';
    *--at = '\n';
    for (each = 0; each < 2; each++) {
        do {
            *--at = (char)('0' + both[each] % 10u);
            both[each] /= 10u;
        } while (both[each] != 0);
        *--at = ' ';
    }
    at -= length;
    memcpy(at, name, length);
    call_debugger(SYS_WRITE0, (uint32_t)(uintptr_t)at);
}

static void count(const char *name, piece run, uint32_t times)
{
    uint32_t begin = TIMER_VALUE;

    run(times);
    say(name, begin - TIMER_VALUE, times);
}

/* The most stack that a piece takes. */
__attribute__((noinline)) static void count_stack(const char *name, piece run)
{
    volatile uint32_t *top;
    uint32_t depth;

    __asm volatile("mov %0, sp" : "=r"(top));
    top--;

    for (depth = 0; depth < PAINTED; depth++) {
        top[-(int32_t)depth] = STACK_PAINT;
    }
    run(1);
    for (depth = PAINTED; depth > 0 && top[1 - (int32_t)depth] == STACK_PAINT; depth--) {
    }
    say(name, depth * 4u, 1);
}

static void nothing(uint32_t times)
{
    for (; times != 0; times--) {
        __asm volatile("");
    }
}

static void score(uint32_t times)
{
    for (; times != 0; times--) {
        kept = model_score(model_golden_in, &arena);
    }
}

static void network(uint32_t times)
{
    for (; times != 0; times--) {
        model_run(model_golden_int8, outputs, &arena);
    }
}

static bool is_golden(void)
{
    uint32_t at;

    for (at = 0; at < MODEL_GOLDEN_COUNT; at++) {
        model_prepare(model_golden_in + at * MODEL_INPUT_SIZE, integers);
        model_run(model_golden_int8 + at * MODEL_INPUT_SIZE, outputs, &arena);
        if (memcmp(integers, model_golden_int8 + at * MODEL_INPUT_SIZE, sizeof integers) != 0 ||
            memcmp(outputs, model_golden_out + at * MODEL_OUTPUT_SIZE, sizeof outputs) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- A host that is always there: what it says is written with the library's own encoder. */

static uint16_t write_line(void *context, const uint8_t *bytes, uint16_t number)
{
    (void)context;
    (void)bytes;
    bytes_sent += number;
    return number;
}

static uint64_t clock_us(void *context)
{
    (void)context;
    return now_us;
}

static void put_frame(ek_type type, const ek_writer *payload)
{
    static uint16_t seq;

    from_host_count = (uint16_t)(from_host_count + ek_frame_encode(from_host + from_host_count, (uint8_t)type,
                                                                  EK_WHOLE, seq++, payload->total));
}

static void begin_frame(ek_writer *payload)
{
    ek_writer_init(payload, from_host + from_host_count + EK_PAYLOAD_AT, EK_MAX_PAYLOAD);
}

static void put_hello(void)
{
    static const uint32_t values[] = {1, 7, NONCE, 1, EK_MAX_FRAME, EK_MAX_MESSAGE};
    ek_writer payload;
    uint32_t key;

    begin_frame(&payload);
    ek_put_map(&payload, 6);
    for (key = 0; key < 6; key++) {
        ek_put_uint(&payload, key);
        if (key == 3) {
            ek_put_bool(&payload, true);
        } else {
            ek_put_uint(&payload, values[key]);
        }
    }
    put_frame(EK_HELLO, &payload);
}

/* What a host says in a second: its heartbeat, and each tenth second a question for the time. */
static void put_second(uint32_t second)
{
    ek_writer payload;
    uint32_t key;

    begin_frame(&payload);
    ek_put_map(&payload, 8);
    for (key = 0; key < 8; key++) {
        ek_put_uint(&payload, key);
        ek_put_uint(&payload, 1000000 + second);
    }
    put_frame(EK_HEARTBEAT, &payload);
    if (second % 10 == 0) {
        begin_frame(&payload);
        ek_put_array(&payload, 3);
        ek_put_uint(&payload, 0);
        ek_put_uint64(&payload, UINT64_C(1700000000000000));
        ek_put_uint64(&payload, UINT64_C(1700000000000000));
        put_frame(EK_TIME, &payload);
    }
}

static void feed(uint32_t times)
{
    uint16_t at;

    (void)times;
    for (at = 0; at < from_host_count; at++) {
        ek_link_feed(&host, from_host[at]);
    }
    from_host_count = 0;
}

static void poll(uint32_t times)
{
    for (; times != 0; times--) {
        ek_link_poll(&host);
    }
}

static int16_t batch[3 * BATCH];

static void send_batch(uint32_t times)
{
    for (; times != 0; times--) {
        (void)ek_link_send_int16(&host, 0, (uint32_t)now_us, batch, BATCH);
    }
}

/* A second of samples: a poll each, and a batch whenever it is full. */
static void stream_second(uint32_t times)
{
    uint32_t at;

    (void)times;
    for (at = 1; at <= RATE; at++) {
        now_us += 1000000 / RATE;
        ek_link_poll(&host);
        if (at % BATCH == 0) {
            send_batch(1);
        }
    }
}

int main(void)
{
    static const ek_sensor sensors[] = {{"accel", "g", 1000000, 1.0f / 1024, 0, EK_INT16, 3}};
    static const ek_device device = {"mps2", "counting", "1", sensors, 0, 1, 0};
    static uint8_t receive[EK_RECEIVE_SIZE(508)], transmit[EK_TRANSMIT_SIZE(508)], hold[64];
    static const ek_setup setup = {.write = write_line, .now_us = clock_us, .device = &device,
        .receive = receive, .receive_size = sizeof receive, .transmit = transmit,
        .transmit_size = sizeof transmit, .hold = hold, .hold_size = sizeof hold, .requests = ek_requests};
    uint32_t second, begin, fed = 0, streamed = 0, from_host_bytes = 0;

    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CONTROL = 1;
    for (second = 0; second < 3 * BATCH; second++) {
        batch[second] = (int16_t)(second * 40503u);
    }
    if (!is_golden() || ek_link_init(&host, &setup, NONCE) != EK_OK) {
        finish(false);
    }
    count("nothing", nothing, 1000);
    count("score", score, MODEL_RUNS);
    count("network", network, MODEL_RUNS);
    count_stack("score-stack", score);
    ek_link_poll(&host);
    put_hello();
    feed(1);
    ek_link_poll(&host);
    if (!ek_link_is_open(&host)) {
        finish(false);
    }
    count("poll", poll, 1000);
    count("batch", send_batch, 100);
    count_stack("batch-stack", send_batch);
    bytes_sent = 0;
    for (second = 0; second < SECONDS; second++) {
        put_second(second);
        from_host_bytes += from_host_count;
        begin = TIMER_VALUE;
        feed(1);
        fed += begin - TIMER_VALUE;
        begin = TIMER_VALUE;
        stream_second(1);
        streamed += begin - TIMER_VALUE;
    }
    say("fed", fed, from_host_bytes);
    say("streamed", streamed, SECONDS * RATE);
    say("sent-bytes", bytes_sent, SECONDS);
    say("counted-frames", host.counters[EK_TX_FRAMES], SECONDS);
    say("arena", MODEL_ARENA_BYTES, 1);
    say("macs", MODEL_MACS, 1);
    finish(true);
    return 0;
}
