/* The mean of each channel over all places, on the grid that it came from. */
static void ek_mean(const int8_t *x, int8_t *y, int32_t places, int32_t channels, int32_t zero_point,
                    uint32_t scale, const ek_grid *grid)
{
    int32_t channel, i;
    for (channel = 0; channel < channels; ++channel) {
        int32_t sum = 0;
        for (i = 0; i < places; ++i) {
            sum += x[i * channels + channel] - zero_point;
        }
        *y++ = ek_clamp(ek_rescale(sum, scale), grid);
    }
}
