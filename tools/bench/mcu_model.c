/* Counts what one answer of a model costs, in ticks of a timer that the emulator ties to instructions.
 *
 * Compiled by tools/bench/mcu_model.py, which renames the model to `model`. */
#include <stdint.h>
#include <string.h>

#include "model.h"
#include "model_golden.h"

#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000u)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)
#define CPACR (*(volatile uint32_t *)0xE000ED88u)

enum { WRITE0 = 4, EXIT = 0x18, EXIT_WELL = 0x20026, EXIT_ILL = 0x20023, RUNS = 8 };

#if defined(MODEL_OUTPUT_SCALE)
typedef int8_t given_type;
#else
typedef float given_type;
#endif

extern uint32_t ld_data_load, ld_data, ld_data_end, ld_bss, ld_bss_end, ld_stack_end;

static model_arena arena;
static int8_t integers[MODEL_INPUT_SIZE];
static given_type given[MODEL_OUTPUT_SIZE];

static void call_debugger(uint32_t what, uint32_t with)
{
    register uint32_t r0 __asm("r0") = what;
    register uint32_t r1 __asm("r1") = with;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void say(uint32_t number)
{
    char line[12], *at = line + sizeof line;
    *--at = '\0';
    *--at = '\n';
    do {
        *--at = (char)('0' + number % 10u);
        number /= 10u;
    } while (number != 0);
    call_debugger(WRITE0, (uint32_t)(uintptr_t)at);
}

static int is_golden(void)
{
    int32_t i, k;
    for (i = 0; i < MODEL_GOLDEN_COUNT; ++i) {
        model_prepare(model_golden_in + i * MODEL_INPUT_SIZE, integers);
        if (memcmp(integers, model_golden_int8 + i * MODEL_INPUT_SIZE, sizeof integers) != 0) {
            return 0;
        }
        model_run(integers, given, &arena);
        for (k = 0; k < MODEL_OUTPUT_SIZE; ++k) {
            const float off = (float)given[k] - (float)model_golden_out[i * MODEL_OUTPUT_SIZE + k];
            if (off > 1e-3f || off < -1e-3f) {
                return 0;
            }
        }
    }
    return 1;
}

void start(void);

__attribute__((noinline)) static void measure(void)
{
    uint32_t begin, i;
    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CONTROL = 1;
    if (!is_golden()) {
        call_debugger(EXIT, EXIT_ILL);
    }
    begin = TIMER_VALUE;
    for (i = 0; i < RUNS; ++i) {
        model_run(integers, given, &arena);
    }
    say((begin - TIMER_VALUE) / RUNS);
    begin = TIMER_VALUE;
    for (i = 0; i < RUNS; ++i) {
        model_prepare(model_golden_in, integers);
    }
    say((begin - TIMER_VALUE) / RUNS);
    say(MODEL_ARENA_BYTES);
    call_debugger(EXIT, EXIT_WELL);
}

/* No float is touched here before the unit for them is on. */
void start(void)
{
    const uint32_t *from = &ld_data_load;
    uint32_t *to;
    for (to = &ld_data; to < &ld_data_end; ++to) {
        *to = *from++;
    }
    for (to = &ld_bss; to < &ld_bss_end; ++to) {
        *to = 0;
    }
#if defined(__ARM_FP)
    CPACR |= 0xFu << 20;
    __asm volatile("dsb\n\tisb");
#endif
    measure();
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[2] = {&ld_stack_end, (void *)start};
