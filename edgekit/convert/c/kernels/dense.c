/* y = W x + bias. The zero point of x is in the bias. `each` is 1 where every row has its own
   scale, else 0. */
static void ek_dense(const int8_t *x, int8_t *y, int32_t depth, int32_t width, const int8_t *w,
                     const int32_t *bias, const uint32_t *scale, int32_t each, const ek_grid *grid)
{
    int32_t row, i, sums[4];
    for (row = 0; row + 4 <= width; row += 4) {
        for (i = 0; i < 4; ++i) {
            sums[i] = *bias++;
        }
        w = ek_four_sums(x, depth, w, sums);
        for (i = 0; i < 4; ++i) {
            *y++ = ek_clamp(ek_rescale(sums[i], *scale), grid);
            scale += each;
        }
    }
    for (; row < width; ++row) {
        *y++ = ek_clamp(ek_rescale(ek_sum(x, depth, w, *bias++), *scale), grid);
        w += depth;
        scale += each;
    }
}
