/* A sum times a scale, as a float32 product rounded to the nearest integer (ties to even) would
   be, in integers alone. A scale is the bits of a positive float32 in [2^-32, 2^8). */
static uint32_t ek_to_24_bits(uint32_t size)
{
    uint32_t bits = 1u, rest, half;
    while ((size >> bits) >= 0x1000000u) {
        ++bits;
    }
    half = (uint32_t)1 << (bits - 1u);
    rest = size & (((uint32_t)1 << bits) - 1u);
    size >>= bits;
    if (rest > half || (rest == half && (size & 1u) != 0u)) {
        ++size;
    }
    return size << bits;
}

/* Whether a product this near to the middle between two integers is rounded onto the middle when
   it becomes a float32: its 24 bits end so far below it. */
static int ek_is_tie(uint32_t whole, uint32_t shift, uint64_t distance, int is_above)
{
    uint32_t place = 0u;
    if (whole == 0u) {
        return distance <= ((uint64_t)1 << shift) >> (is_above ? 25u : 26u);
    }
    while ((whole >> place) > 1u) {
        ++place;
    }
    return distance <= ((uint64_t)1 << (shift + place)) >> 24u;
}

static int32_t ek_rescale(int32_t sum, uint32_t scale)
{
    const uint32_t shift = 150u - (scale >> 23u);
    const uint64_t half = (uint64_t)1 << (shift - 1u);
    uint32_t size = sum < 0 ? 0u - (uint32_t)sum : (uint32_t)sum, whole;
    uint64_t product, rest, distance;
    if (size >= 0x1000000u) {
        size = ek_to_24_bits(size);
    }
    product = (uint64_t)size * ((scale & 0x7fffffu) | 0x800000u);
    if (product >= (uint64_t)256 << shift) {
        whole = 256u;
    } else {
        whole = (uint32_t)(product >> shift);
        rest = product & (half + half - 1u);
        distance = rest > half ? rest - half : half - rest;
        if (distance <= half >> 16u && ek_is_tie(whole, shift, distance, rest >= half)) {
            whole += whole & 1u;
        } else if (rest > half) {
            ++whole;
        }
    }
    return sum < 0 ? -(int32_t)whole : (int32_t)whole;
}
