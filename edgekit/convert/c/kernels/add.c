/* a times one multiplier and b times another, shifted right (halves go up); b repeats after
   `period`. */
static void ek_add(const int8_t *a, const int8_t *b, int8_t *y, int32_t count, int32_t period,
                   int32_t bias, int32_t by_a, int32_t by_b, int32_t shift, const ek_grid *grid)
{
    int32_t i, j;
    for (i = 0; i < count; i += period) {
        for (j = 0; j < period; ++j) {
            const int32_t sum = bias + *a++ * by_a + b[j] * by_b;
            *y++ = ek_clamp(sum < 0 ? ~(~sum >> shift) : sum >> shift, grid);
        }
    }
}
