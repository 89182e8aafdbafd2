/* The mean under the window, of what lies inside the picture; halves go away from zero. */
static void ek_average_pool(const int8_t *x, int8_t *y, const ek_window *s, const ek_grid *grid)
{
    int32_t i, j, k, ky, kx;
    for (i = 0; i < s->out_height; ++i) {
        for (j = 0; j < s->out_width; ++j) {
            for (k = 0; k < s->channels; ++k) {
                int32_t sum = 0, count = 0;
                for (ky = 0; ky < s->kernel_height; ++ky) {
                    const int32_t row = i * s->stride_height - s->top + ky;
                    for (kx = 0; kx < s->kernel_width; ++kx) {
                        const int32_t column = j * s->stride_width - s->left + kx;
                        if (row >= 0 && row < s->height && column >= 0 && column < s->width) {
                            sum += x[(row * s->width + column) * s->channels + k];
                            ++count;
                        }
                    }
                }
                sum = (sum < 0 ? sum - count / 2 : sum + count / 2) / count;
                *y++ = ek_clamp(sum - grid->zero_point, grid);
            }
        }
    }
}
