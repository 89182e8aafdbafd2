/* The board: CMSDK UART 0 with interrupts and rings, CMSDK timer 0 as the clock, SysTick to wake up. */
#include "board.h"

#include "startup.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define TIMER_CONTROL REGISTER(0x40000000u)
#define TIMER_VALUE REGISTER(0x40000004u)
#define TIMER_RELOAD REGISTER(0x40000008u)
#define UART0 0x40004000u
#define UART1 0x40005000u
#define UART_DATA(uart) REGISTER((uart) + 0x00u)
#define UART_STATE(uart) REGISTER((uart) + 0x04u)
#define UART_CONTROL(uart) REGISTER((uart) + 0x08u)
#define UART_INTERRUPT(uart) REGISTER((uart) + 0x0Cu)
#define UART_DIVIDER(uart) REGISTER((uart) + 0x10u)
#define LAMPS REGISTER(0x40028000u)
#define SYSTICK_CONTROL REGISTER(0xE000E010u)
#define SYSTICK_RELOAD REGISTER(0xE000E014u)
#define SYSTICK_VALUE REGISTER(0xE000E018u)
#define INTERRUPTS_ON REGISTER(0xE000E100u)
#define INTERRUPTS_OFF REGISTER(0xE000E180u)
#define AIRCR REGISTER(0xE000ED0Cu)

enum { CLOCK_HZ = 25000000, CLOCK_MHZ = CLOCK_HZ / 1000000, BAUD = 115200 };
enum { TX_FULL = 1, RX_FULL = 2, RX_OVERRUN = 8 };       /* state */
enum { TX_ON = 1, RX_ON = 2, TX_TELLS = 4, RX_TELLS = 8 }; /* control */
enum { TX_TOLD = 1, RX_TOLD = 2 };                       /* interrupt */
enum { RX_RING = 512, TX_RING = 1024 };                  /* powers of two */

static uint8_t rx_ring[RX_RING], tx_ring[TX_RING];
static volatile uint16_t rx_in, rx_out, tx_in, tx_out;
static volatile uint32_t uart_overruns, ring_overruns;
static int32_t stop_after = -1;
static bool and_restart;
static uint32_t last_value, rest;
static uint64_t now;
__attribute__((section(".noinit"))) static uint32_t starts;
__attribute__((section(".seed"), used)) static volatile uint32_t seed;

static void stop(void)
{
    if (and_restart) {
        board_restart();
    }
    SYSTICK_CONTROL = 0;
    INTERRUPTS_OFF = 0xFFFFFFFFu;
    for (;;) {
        __asm volatile("wfi");
    }
}

/* With interrupts off: gives the UART what it takes. */
static void pump(void)
{
    while (tx_out != tx_in && (UART_STATE(UART0) & TX_FULL) == 0) {
        if (stop_after == 0) {
            stop();
        }
        stop_after -= stop_after > 0;
        UART_DATA(UART0) = tx_ring[tx_out % TX_RING];
        tx_out = (uint16_t)(tx_out + 1);
    }
}

void uart0_received(void)
{
    UART_INTERRUPT(UART0) = RX_TOLD;
    while ((UART_STATE(UART0) & RX_FULL) != 0) {
        uint8_t byte = (uint8_t)UART_DATA(UART0);
        if ((uint16_t)(rx_in - rx_out) < RX_RING) {
            rx_ring[rx_in % RX_RING] = byte;
            rx_in = (uint16_t)(rx_in + 1);
        } else {
            ring_overruns++;
        }
    }
    if ((UART_STATE(UART0) & RX_OVERRUN) != 0) {
        UART_STATE(UART0) = RX_OVERRUN;
        uart_overruns++;
    }
}

void uart0_sent(void)
{
    UART_INTERRUPT(UART0) = TX_TOLD;
    pump();
}

void systick(void)
{
}

#ifdef PROBE
/* Answers each byte on UART 1 with the timer's value: what others say of this clock can be held to it. */
void uart1_received(void)
{
    uint32_t value = TIMER_VALUE;
    uint8_t part;

    UART_INTERRUPT(UART1) = RX_TOLD;
    (void)UART_DATA(UART1);
    for (part = 0; part < 4; part++) {
        while ((UART_STATE(UART1) & TX_FULL) != 0) {
        }
        UART_DATA(UART1) = value >> (8u * part) & 0xFFu;
    }
}
#endif

void board_init(void)
{
    starts++;
    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CONTROL = 1;
    last_value = 0xFFFFFFFFu;
    SYSTICK_RELOAD = CLOCK_HZ / 1000 - 1;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 7;
    UART_DIVIDER(UART0) = CLOCK_HZ / BAUD;
    UART_CONTROL(UART0) = TX_ON | RX_ON | TX_TELLS | RX_TELLS;
    INTERRUPTS_ON = 3;
#ifdef PROBE
    UART_DIVIDER(UART1) = CLOCK_HZ / BAUD;
    UART_CONTROL(UART1) = TX_ON | RX_ON | RX_TELLS;
    INTERRUPTS_ON = 7;
#endif
}

uint64_t board_now_us(void *context)
{
    uint32_t value = TIMER_VALUE; /* counts down, and round */
    uint32_t ticks = last_value - value;

    (void)context;
    last_value = value;
    now += ticks / CLOCK_MHZ;
    rest += ticks % CLOCK_MHZ;
    if (rest >= CLOCK_MHZ) {
        rest -= CLOCK_MHZ;
        now++;
    }
    return now;
}

uint16_t board_write(void *context, const uint8_t *bytes, uint16_t count)
{
    uint16_t room = (uint16_t)(TX_RING - (uint16_t)(tx_in - tx_out));
    uint16_t taken = count < room ? count : room;
    uint16_t at;

    (void)context;
    for (at = 0; at < taken; at++) {
        tx_ring[(uint16_t)(tx_in + at) % TX_RING] = bytes[at];
    }
    __asm volatile("cpsid i" ::: "memory");
    tx_in = (uint16_t)(tx_in + taken);
    pump();
    __asm volatile("cpsie i" ::: "memory");
    return taken;
}

int board_read(void)
{
    int byte = -1;

    if (rx_out != rx_in) {
        byte = rx_ring[rx_out % RX_RING];
        rx_out = (uint16_t)(rx_out + 1);
    }
    return byte;
}

void board_sleep(void)
{
    __asm volatile("cpsid i" ::: "memory"); /* a byte that comes now still ends the wait */
    if (rx_out == rx_in) {
        __asm volatile("wfi");
    }
    __asm volatile("cpsie i" ::: "memory");
}

void board_lamp(bool is_on)
{
    LAMPS = is_on ? 1 : 0;
}

uint32_t board_nonce(void)
{
    uint32_t nonce = seed ^ starts * 2654435761u;

    return nonce != 0 ? nonce : 1;
}

board_counts board_counted(void)
{
    board_counts counts;

    counts.uart_overruns = uart_overruns;
    counts.ring_overruns = ring_overruns;
    return counts;
}

void board_restart(void)
{
    AIRCR = 0x05FA0004u;
    for (;;) {
    }
}

void board_stop_after(uint16_t count, bool is_restart)
{
    and_restart = is_restart;
    stop_after = count;
}
