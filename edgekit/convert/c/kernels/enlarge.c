/* Repeats each place of a picture. */
static void ek_enlarge(const int8_t *x, int8_t *y, int32_t height, int32_t width, int32_t channels,
                       int32_t by_height, int32_t by_width)
{
    int32_t i, j, k;
    for (i = 0; i < height * by_height; ++i) {
        for (j = 0; j < width * by_width; ++j) {
            const int8_t *in = x + ((i / by_height) * width + j / by_width) * channels;
            for (k = 0; k < channels; ++k) {
                *y++ = *in++;
            }
        }
    }
}
