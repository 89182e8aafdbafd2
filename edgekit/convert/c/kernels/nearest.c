/* The nearest integer, ties to even; from -256 to 256, beyond which nothing here tells apart. */
static int32_t ek_nearest(float value)
{
    uint32_t bits, exponent, whole, shift, rest, half;
    memcpy(&bits, &value, sizeof bits);
    exponent = (bits >> 23u) & 0xffu;
    if (exponent < 126u) {
        return 0;
    }
    if (exponent > 134u) {
        whole = 256u;
    } else {
        const uint32_t size = (bits & 0x7fffffu) | 0x800000u;
        shift = 150u - exponent;
        half = (uint32_t)1 << (shift - 1u);
        whole = size >> shift;
        rest = size & (half + half - 1u);
        if (rest > half || (rest == half && (whole & 1u) != 0u)) {
            ++whole;
        }
    }
    return (bits >> 31u) != 0u ? -(int32_t)whole : (int32_t)whole;
}
