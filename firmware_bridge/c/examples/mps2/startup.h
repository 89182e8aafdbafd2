/* What interrupts call, and what the stack is painted with. */
#ifndef STARTUP_H
#define STARTUP_H

#define STACK_PAINT 0xA5A5A5A5u

void start(void);
void systick(void);
void uart0_received(void);
void uart0_sent(void);
void uart1_received(void);

#endif
