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

static uint32_t ek_round(uint64_t product, uint32_t shift)
{
    const uint64_t half = (uint64_t)1 << (shift - 1u);
    const uint64_t rest = product & (half + half - 1u);
    const uint64_t distance = rest > half ? rest - half : half - rest;
    uint32_t whole;
    if (product >= (uint64_t)256 << shift) {
        return 256u;
    }
    whole = (uint32_t)(product >> shift);
    if (ek_is_tie(whole, shift, distance, rest >= half)) {
        return whole + (whole & 1u);
    }
    return rest > half ? whole + 1u : whole;
}

/* Nearly every product is so far from a half that 23 bits behind the point tell its side; a half
   lies at 2^22, and what is moved onto it begins at most 2^6 away. */
static int32_t ek_rescale(int32_t sum, uint32_t scale)
{
    const uint32_t shift = 150u - (scale >> 23u);
    uint32_t size = sum < 0 ? 0u - (uint32_t)sum : (uint32_t)sum, whole;
    uint64_t product, fine;
    if (size >= 0x1000000u) {
        size = ek_to_24_bits(size);
    }
    product = (uint64_t)size * ((scale & 0x7fffffu) | 0x800000u);
    if (shift < 23u) {
        whole = ek_round(product, shift);
    } else {
        fine = product >> (shift - 23u);
        if (fine >= 0x80000000u) {
            whole = 256u;
        } else if ((((uint32_t)fine - 0x3fffbfu) & 0x7fffffu) <= 130u) {
            whole = ek_round(product, shift);
        } else {
            whole = ((uint32_t)fine + 0x400000u) >> 23u;
        }
    }
    return sum < 0 ? -(int32_t)whole : (int32_t)whole;
}
