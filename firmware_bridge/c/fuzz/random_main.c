/* ek_random COUNT [SEED]: the fuzzer's target without libFuzzer, for compilers that lack it: COUNT pseudo-random inputs. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t state;

static uint32_t next(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* A payload that is more often right than random bytes are: CBOR heads, small numbers, and now and then anything. */
static uint8_t likely(void)
{
    static const uint8_t heads[] = {0x80, 0x81, 0x82, 0x83, 0xA0, 0xA1, 0xA2, 0xA6, 0x18, 0x19, 0x1A, 0x1B,
                                    0x20, 0x38, 0x41, 0x61, 0x62, 0xF4, 0xF5, 0xF6, 0xF9, 0xFA, 0xFB};
    uint32_t one = next();

    switch (one & 3) {
    case 0:
        return heads[(one >> 8) % sizeof heads];
    case 1:
        return (uint8_t)(one >> 8);
    default:
        return (uint8_t)(one >> 8 & 7);
    }
}

int main(int count, char **arguments)
{
    uint8_t input[2048];
    unsigned long runs = count > 1 ? strtoul(arguments[1], NULL, 10) : 10000;

    state = (uint32_t)(count > 2 ? strtoul(arguments[2], NULL, 10) : 1) | 1u;
    for (unsigned long run = 0; run < runs; run++) {
        size_t size = 1 + next() % (run % 16 == 0 ? sizeof input - 1 : 200);
        for (size_t at = 0; at < size; at++) {
            input[at] = likely();
        }
        input[0] = (uint8_t)(next() & 15);
        for (size_t at = 1; (input[0] & 1) == 0 && at + 6 < size; at += 6u + input[at + 4]) {
            input[at] = (uint8_t)(1 + next() % 11);
            input[at + 1] = (uint8_t)(next() % 4 == 0 ? next() % 8 : 6 + next() % 2);
            input[at + 3] = 0;
            input[at + 4] = (uint8_t)(next() % 40);
            input[at + 5] &= 0xFE;
        }
        LLVMFuzzerTestOneInput(input, size);
    }
    printf("%lu inputs\n", runs);
    return 0;
}
