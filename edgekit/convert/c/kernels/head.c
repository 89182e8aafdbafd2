/* The last dense layer: sums of integers, given as real numbers. */
static void ek_head(const int8_t *x, float *y, int32_t depth, int32_t width, const int8_t *w,
                    const int32_t *offset, const float *scale, const float *bias, float lowest,
                    float highest)
{
    int32_t row, i, sums[4];
    for (row = 0; row < width; row += 4) {
        const int32_t count = width - row < 4 ? width - row : 4;
        for (i = 0; i < count; ++i) {
            sums[i] = *offset++;
        }
        if (count == 4) {
            w = ek_four_sums(x, depth, w, sums);
        } else {
            for (i = 0; i < count; ++i) {
                sums[i] = ek_sum(x, depth, w, sums[i]);
                w += depth;
            }
        }
        for (i = 0; i < count; ++i) {
            float value = (float)sums[i] * *scale++ + *bias++;
            value = value < lowest ? lowest : value;
            *y++ = value > highest ? highest : value;
        }
    }
}
