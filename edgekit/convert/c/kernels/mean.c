/* The mean of each channel over all places: in float, as XNNPACK computes it. `volatile` keeps a
   compiler from fusing the product and the sum. */
static void ek_mean(const int8_t *x, int8_t *y, int32_t places, int32_t channels, float scale,
                    float offset, const ek_grid *grid)
{
    const ek_grid whole = {0, grid->lowest, grid->highest};
    int32_t channel, i;
    for (channel = 0; channel < channels; ++channel) {
        int32_t sum = 0;
        volatile float product;
        for (i = 0; i < places; ++i) {
            sum += x[i * channels + channel];
        }
        product = (float)sum * scale;
        *y++ = ek_clamp(ek_nearest(product + offset), &whole);
    }
}
