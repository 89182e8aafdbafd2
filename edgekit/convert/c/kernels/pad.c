/* A picture with a border of one number. */
static void ek_pad(const int8_t *x, int8_t *y, const ek_window *s)
{
    int32_t i, j, k;
    for (i = 0; i < s->out_height; ++i) {
        for (j = 0; j < s->out_width; ++j) {
            const int32_t row = i - s->top, column = j - s->left;
            const int is_inside = row >= 0 && row < s->height && column >= 0 && column < s->width;
            for (k = 0; k < s->channels; ++k) {
                *y++ = is_inside ? *x++ : s->padding;
            }
        }
    }
}
