/* Adds the products of x with four rows of weights, which lie interleaved, to `sums`. */
static const int8_t *ek_four_sums(const int8_t *x, int32_t depth, const int8_t *w, int32_t *sums)
{
    const int8_t *const end = x + depth;
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    while (end - x >= 4) {
        int32_t v = x[0];
        a += v * w[0];
        b += v * w[1];
        c += v * w[2];
        d += v * w[3];
        v = x[1];
        a += v * w[4];
        b += v * w[5];
        c += v * w[6];
        d += v * w[7];
        v = x[2];
        a += v * w[8];
        b += v * w[9];
        c += v * w[10];
        d += v * w[11];
        v = x[3];
        a += v * w[12];
        b += v * w[13];
        c += v * w[14];
        d += v * w[15];
        x += 4;
        w += 16;
    }
    for (; x != end; ++x) {
        const int32_t v = *x;
        a += v * w[0];
        b += v * w[1];
        c += v * w[2];
        d += v * w[3];
        w += 4;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    return w;
}

/* The same for one row. */
static int32_t ek_sum(const int8_t *x, int32_t depth, const int8_t *w, int32_t sum)
{
    const int8_t *const end = x + depth;
    while (x != end) {
        sum += (int32_t)*x++ * *w++;
    }
    return sum;
}
