/* Axes in another order: of four, as the steps between neighbours in `x`. */
static void ek_transpose(const int8_t *x, int8_t *y, const int32_t *sizes, const int32_t *steps)
{
    int32_t a, b, c, d;
    for (a = 0; a < sizes[0]; ++a) {
        for (b = 0; b < sizes[1]; ++b) {
            for (c = 0; c < sizes[2]; ++c) {
                const int8_t *in = x + (a * steps[0] + b * steps[1] + c * steps[2]);
                for (d = 0; d < sizes[3]; ++d) {
                    *y++ = *in;
                    in += steps[3];
                }
            }
        }
    }
}
