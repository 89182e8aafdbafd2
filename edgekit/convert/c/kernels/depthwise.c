/* A convolution of each channel by itself; each gives `multiplier` channels. */
static void ek_depthwise(const int8_t *x, int8_t *y, const ek_window *s, int32_t multiplier,
                         const int8_t *w, const int32_t *bias, const uint32_t *scale, int32_t each,
                         const ek_grid *grid)
{
    const int32_t out = s->channels * multiplier;
    int32_t i, j, channel;
    for (i = 0; i < s->out_height; ++i) {
        for (j = 0; j < s->out_width; ++j) {
            const int32_t top = i * s->stride_height - s->top;
            const int32_t left = j * s->stride_width - s->left;
            for (channel = 0; channel < out; ++channel) {
                const int8_t *in = x + channel / multiplier;
                int32_t sum = bias[channel], ky, kx;
                for (ky = 0; ky < s->kernel_height; ++ky) {
                    const int32_t row = top + ky * s->dilation_height;
                    if (row < 0 || row >= s->height) {
                        continue;
                    }
                    for (kx = 0; kx < s->kernel_width; ++kx) {
                        const int32_t column = left + kx * s->dilation_width;
                        if (column >= 0 && column < s->width) {
                            const int32_t v = in[(row * s->width + column) * s->channels];
                            sum += (v - s->padding) * w[(ky * s->kernel_width + kx) * out + channel];
                        }
                    }
                }
                *y++ = ek_clamp(ek_rescale(sum, scale[each * channel]), grid);
            }
        }
    }
}
