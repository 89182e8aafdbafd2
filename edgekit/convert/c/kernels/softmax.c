/* e to the power of a number that is not above 0, to 7 digits: 2^n times a polynomial. */
static float ek_power(float value)
{
    const float turns = value * 1.44269504f;
    int32_t whole = (int32_t)turns;
    float rest, power;
    uint32_t bits;
    if (value < -87.0f) {
        return 0.0f;
    }
    rest = (value - (float)whole * 0.693359375f) + (float)whole * 2.12194440e-4f;
    power = 1.0f + rest * (1.0f + rest * (0.5f + rest * (0.166666667f + rest * (0.0416666667f
            + rest * (0.00833333333f + rest * (0.00138888889f + rest * 0.000198412698f))))));
    bits = (uint32_t)(whole + 127) << 23u;
    memcpy(&rest, &bits, sizeof rest);
    return power * rest;
}

/* Probabilities from logits, in place. */
static void ek_softmax(float *values, int32_t count)
{
    float most = values[0], total = 0.0f;
    int32_t i;
    for (i = 1; i < count; ++i) {
        most = values[i] > most ? values[i] : most;
    }
    for (i = 0; i < count; ++i) {
        values[i] = ek_power(values[i] - most);
        total += values[i];
    }
    for (i = 0; i < count; ++i) {
        values[i] /= total;
    }
}
