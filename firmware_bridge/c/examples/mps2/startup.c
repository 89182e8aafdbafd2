/* From reset to main: vectors, RAM, the stack's paint, and the FPU where there is one. */
#include <stdint.h>

#include "startup.h"

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define AIRCR (*(volatile uint32_t *)0xE000ED0Cu)

extern uint32_t ld_data_load, ld_data, ld_data_end, ld_bss, ld_bss_end, ld_stack, ld_stack_end;
int main(void);

static void restart(void)
{
    AIRCR = 0x05FA0004u;
    for (;;) {
    }
}

static void ignore(void)
{
}

void start(void)
{
    const uint32_t *from = &ld_data_load;
    uint32_t *to;

    for (to = &ld_data; to < &ld_data_end; to++) {
        *to = *from++;
    }
    for (to = &ld_bss; to < &ld_bss_end; to++) {
        *to = 0;
    }
    for (to = &ld_stack; to < (uint32_t *)__builtin_frame_address(0) - 16; to++) {
        *to = STACK_PAINT;
    }
#if defined(__ARM_FP)
    CPACR |= 0xFu << 20;
    __asm volatile("dsb\n\tisb");
#endif
    (void)main();
    restart();
}

uint32_t board_stack_used(void)
{
    const uint32_t *at = &ld_stack;

    while (at < &ld_stack_end && *at == STACK_PAINT) {
        at++;
    }
    return (uint32_t)(&ld_stack_end - at) * 4u;
}

/* Weak ones are there for programs without that interrupt. */
void systick(void) __attribute__((weak, alias("ignore")));
void uart0_received(void) __attribute__((weak, alias("ignore")));
void uart0_sent(void) __attribute__((weak, alias("ignore")));
void uart1_received(void) __attribute__((weak, alias("ignore")));

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16 + 4] = {
    (vector)&ld_stack_end, start, restart, restart, restart, restart, restart, 0, 0, 0, 0, restart, restart, 0,
    restart, systick, uart0_received, uart0_sent, uart1_received, restart,
};
