/* All that the application asks of the board: a line, a clock, a lamp, sleep and a restart. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct board_counts {
    uint32_t uart_overruns; /* bytes that came before the one before was taken */
    uint32_t ring_overruns; /* bytes that the ring had no room for */
} board_counts;

/* Starts clock, UART and the tick that ends each board_sleep after a millisecond. */
void board_init(void);
/* Microseconds since board_init. From the main loop only, and at least each 171 s. */
uint64_t board_now_us(void *context);
/* Takes what the ring has room for; an interrupt sends it. */
uint16_t board_write(void *context, const uint8_t *bytes, uint16_t count);
/* A byte that came, or -1. */
int board_read(void);
/* Waits for a byte or the next tick. */
void board_sleep(void);
void board_lamp(bool is_on);
/* Another number at each start: what a flasher or an emulator put into RAM, with the starts counted. */
uint32_t board_nonce(void);
/* The most bytes of stack that were ever in use. */
uint32_t board_stack_used(void);
board_counts board_counted(void);
void board_restart(void);
/* Stops the machine for good, or starts it anew, once `count` more bytes have left: for tests of what then happens. */
void board_stop_after(uint16_t count, bool is_restart);

#endif
