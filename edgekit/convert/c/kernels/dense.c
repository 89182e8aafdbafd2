/* y = W x + bias, four rows of W at a time: their weights lie interleaved. The zero point of x is
   in the bias. `each` is 1 where every row has its own scale, else 0. */
static void ek_dense(const int8_t *x, int8_t *y, int32_t depth, int32_t width, const int8_t *w,
                     const int32_t *bias, const uint32_t *scale, int32_t each, const ek_grid *grid)
{
    const int8_t *const end = x + depth;
    int32_t row;
    for (row = 0; row + 4 <= width; row += 4) {
        int32_t a = bias[0], b = bias[1], c = bias[2], d = bias[3];
        const int8_t *in = x;
        while (end - in >= 4) {
            int32_t v = in[0];
            a += v * w[0];
            b += v * w[1];
            c += v * w[2];
            d += v * w[3];
            v = in[1];
            a += v * w[4];
            b += v * w[5];
            c += v * w[6];
            d += v * w[7];
            v = in[2];
            a += v * w[8];
            b += v * w[9];
            c += v * w[10];
            d += v * w[11];
            v = in[3];
            a += v * w[12];
            b += v * w[13];
            c += v * w[14];
            d += v * w[15];
            in += 4;
            w += 16;
        }
        for (; in != end; ++in) {
            const int32_t v = *in;
            a += v * w[0];
            b += v * w[1];
            c += v * w[2];
            d += v * w[3];
            w += 4;
        }
        bias += 4;
        y[0] = ek_clamp(ek_rescale(a, scale[0]), grid);
        y[1] = ek_clamp(ek_rescale(b, scale[each]), grid);
        y[2] = ek_clamp(ek_rescale(c, scale[2 * each]), grid);
        y[3] = ek_clamp(ek_rescale(d, scale[3 * each]), grid);
        scale += 4 * each;
        y += 4;
    }
    for (; row < width; ++row) {
        int32_t a = *bias++;
        const int8_t *in = x;
        while (in != end) {
            a += (int32_t)*in++ * *w++;
        }
        *y++ = ek_clamp(ek_rescale(a, *scale), grid);
        scale += each;
    }
}
