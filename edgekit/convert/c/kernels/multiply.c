/* a times b, each less its zero point; b repeats after `period`. */
static void ek_multiply(const int8_t *a, const int8_t *b, int8_t *y, int32_t count, int32_t period,
                        int32_t zero_a, int32_t zero_b, uint32_t scale, const ek_grid *grid)
{
    int32_t i, j;
    for (i = 0; i < count; i += period) {
        for (j = 0; j < period; ++j) {
            *y++ = ek_clamp(ek_rescale((*a++ - zero_a) * (b[j] - zero_b), scale), grid);
        }
    }
}
