/* Runs of `x` into the runs of `y` of `step` numbers each. */
static void ek_join(const int8_t *x, int8_t *y, int32_t runs, int32_t length, int32_t step)
{
    int32_t i;
    for (; runs > 0; --runs) {
        for (i = 0; i < length; ++i) {
            y[i] = *x++;
        }
        y += step;
    }
}
