/* The last dense layer: sums of integers, given as real numbers. */
static void ek_head(const int8_t *x, float *y, int32_t depth, int32_t width, const int8_t *w,
                    const int32_t *offset, const float *scale, const float *bias, float lowest,
                    float highest)
{
    int32_t row, i;
    for (row = 0; row < width; ++row) {
        int32_t sum = *offset++;
        float value;
        for (i = 0; i < depth; ++i) {
            sum += (int32_t)x[i] * *w++;
        }
        value = (float)sum * *scale++ + *bias++;
        value = value < lowest ? lowest : value;
        *y++ = value > highest ? highest : value;
    }
}
