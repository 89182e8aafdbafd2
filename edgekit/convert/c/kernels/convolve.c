/* A convolution, channels last: a dense layer on what lies under the window. Where that is one run
   of bytes it is read in place, else it is gathered in `patch`. */
static void ek_gather(const int8_t *x, int8_t *patch, const ek_window *s, int32_t top, int32_t left)
{
    int32_t i, j, k;
    for (i = 0; i < s->kernel_height; ++i) {
        const int32_t row = top + i * s->dilation_height;
        for (j = 0; j < s->kernel_width; ++j) {
            const int32_t column = left + j * s->dilation_width;
            if (row < 0 || row >= s->height || column < 0 || column >= s->width) {
                for (k = 0; k < s->channels; ++k) {
                    *patch++ = s->padding;
                }
            } else {
                const int8_t *in = x + (row * s->width + column) * s->channels;
                for (k = 0; k < s->channels; ++k) {
                    *patch++ = *in++;
                }
            }
        }
    }
}

static void ek_convolve(const int8_t *x, int8_t *y, int8_t *patch, const ek_window *s,
                        int32_t depth, int32_t width, const int8_t *w, const int32_t *bias,
                        const uint32_t *scale, int32_t each, const ek_grid *grid)
{
    int32_t i, j;
    for (i = 0; i < s->out_height; ++i) {
        const int32_t top = i * s->stride_height - s->top;
        for (j = 0; j < s->out_width; ++j) {
            const int32_t left = j * s->stride_width - s->left;
            const int8_t *in = patch;
            if (s->is_run && left >= 0 && left + s->kernel_width <= s->width) {
                in = x + (top * s->width + left) * s->channels;
            } else {
                ek_gather(x, patch, s, top, left);
            }
            ek_dense(in, y, depth, width, w, bias, scale, each, grid);
            y += width;
        }
    }
}
