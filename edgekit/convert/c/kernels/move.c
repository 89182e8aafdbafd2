/* Copies `count` numbers; `x` and `y` are apart, or the same. */
static void ek_move(const int8_t *x, int8_t *y, int32_t count)
{
    for (; count > 0; --count) {
        *y++ = *x++;
    }
}
