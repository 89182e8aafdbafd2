/* A convolution of each channel by itself; each gives `multiplier` channels. Under the window are
   rows `first_y` to `last_y` of the kernel, and columns `first_x` to `last_x`. */
static int32_t ek_first_tap(int32_t start, int32_t dilation)
{
    return start < 0 ? (dilation - 1 - start) / dilation : 0;
}

static int32_t ek_last_tap(int32_t start, int32_t dilation, int32_t size, int32_t taps)
{
    const int32_t inside = size > start ? (size - start + dilation - 1) / dilation : 0;
    return inside < taps ? inside : taps;
}

static void ek_depthwise(const int8_t *x, int8_t *y, const ek_window *s, int32_t multiplier,
                         const int8_t *w, const int32_t *bias, const uint32_t *scale, int32_t each,
                         const ek_grid *grid)
{
    const int32_t out = s->channels * multiplier, step = s->dilation_width * s->channels;
    int32_t i, j, channel, of, ky, kx;
    for (i = 0; i < s->out_height; ++i) {
        const int32_t top = i * s->stride_height - s->top;
        const int32_t first_y = ek_first_tap(top, s->dilation_height);
        const int32_t last_y = ek_last_tap(top, s->dilation_height, s->height, s->kernel_height);
        for (j = 0; j < s->out_width; ++j) {
            const int32_t left = j * s->stride_width - s->left;
            const int32_t first_x = ek_first_tap(left, s->dilation_width);
            const int32_t last_x = ek_last_tap(left, s->dilation_width, s->width, s->kernel_width);
            channel = 0;
            for (of = 0; channel < out; ++of) {
                for (; channel < (of + 1) * multiplier; ++channel) {
                    int32_t sum = bias[channel];
                    for (ky = first_y; ky < last_y; ++ky) {
                        const int32_t row = top + ky * s->dilation_height;
                        const int32_t column = left + first_x * s->dilation_width;
                        const int8_t *in = x + ((row * s->width + column) * s->channels + of);
                        const int8_t *tap = w + ((ky * s->kernel_width + first_x) * out + channel);
                        for (kx = first_x; kx < last_x; ++kx) {
                            sum += (*in - s->padding) * *tap;
                            in += step;
                            tap += out;
                        }
                    }
                    *y++ = ek_clamp(ek_rescale(sum, scale[each * channel]), grid);
                }
            }
        }
    }
}
