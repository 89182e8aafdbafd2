/* Rotation, its gears, noise, and the knocks of a bad bearing. `tools/firmware/vibration.py` gives the same numbers. */
#include "vibration.h"

#define PHASE(millihertz) ((uint32_t)((millihertz) * UINT64_C(4294967296) / 1000000u)) /* a sample */

enum { KNOCK_EVERY = 9, KNOCK = 1400 };

/* 1024 times the sine of a 64th of a turn. */
static const int16_t quarter[17] = {0,   100, 200, 297, 392, 483, 569, 650, 724,
                                    792, 851, 903, 946, 980, 1004, 1019, 1024};

static int32_t sine(uint32_t phase)
{
    uint32_t step = phase >> 26;
    uint32_t within = step & 15u;
    int32_t value = (step & 16u) != 0 ? quarter[16u - within] : quarter[within];

    return (step & 32u) != 0 ? -value : value;
}

static int32_t noise(vibration *machine)
{
    uint32_t word = machine->noise;

    word ^= word << 13; /* Marsaglia's xorshift, 2003 */
    word ^= word >> 17;
    word ^= word << 5;
    machine->noise = word;
    return ((int32_t)((word & 255u) + (word >> 8 & 255u) + (word >> 16 & 255u) + (word >> 24)) - 510) / 8;
}

void vibration_init(vibration *machine)
{
    machine->turn = 0;
    machine->mesh = 0;
    machine->ring = 0;
    machine->noise = 2463534242u;
    machine->fault_left = 0;
    machine->knock_in = 0;
    machine->knock = 0;
}

void vibration_next(vibration *machine, int16_t *axes)
{
    uint32_t axis;

    machine->turn += PHASE(29400);
    machine->mesh += PHASE(157300);
    machine->ring += PHASE(321700);
    machine->knock = (int16_t)(machine->knock - machine->knock / 4);
    if (machine->fault_left != 0) {
        machine->fault_left--;
        if (machine->knock_in == 0) {
            machine->knock_in = KNOCK_EVERY;
            machine->knock = KNOCK;
        }
        machine->knock_in--;
    }
    for (axis = 0; axis < VIBRATION_AXES; axis++) {
        int32_t value = sine(machine->turn + axis * 0x40000000u) / 2;
        value += sine(machine->mesh + axis * 0x20000000u) / 8;
        value += machine->knock * sine(machine->ring + axis * 0x10000000u) / 1024;
        axes[axis] = (int16_t)(value + noise(machine));
    }
}
