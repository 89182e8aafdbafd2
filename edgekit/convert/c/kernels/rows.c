/* A dense layer on each of several rows. */
static void ek_dense_rows(const int8_t *x, int8_t *y, int32_t rows, int32_t depth, int32_t width,
                          const int8_t *w, const int32_t *bias, const uint32_t *scale,
                          int32_t each, const ek_grid *grid)
{
    for (; rows > 0; --rows) {
        ek_dense(x, y, depth, width, w, bias, scale, each, grid);
        x += depth;
        y += width;
    }
}
