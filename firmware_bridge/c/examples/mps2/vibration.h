/* A machine that turns at 29.4 Hz, as an accelerometer feels it: integers alone, so that it is the same everywhere. */
#ifndef VIBRATION_H
#define VIBRATION_H

#include <stdint.h>

#define VIBRATION_AXES 3
#define VIBRATION_UNITS 1024 /* a g */

typedef struct vibration {
    uint32_t turn;  /* phases: 2^32 is a full turn */
    uint32_t mesh;
    uint32_t ring;
    uint32_t noise;
    uint32_t fault_left; /* samples for which the bearing still knocks */
    uint16_t knock_in;   /* samples to the next knock */
    int16_t knock;       /* how strongly the last one still rings */
} vibration;

void vibration_init(vibration *machine);
/* The next sample at 1000 a second. */
void vibration_next(vibration *machine, int16_t *axes);

#endif
