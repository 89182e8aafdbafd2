/* The subset of CBOR: what is written, what is read, and what is refused. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "ek_cbor.h"

static uint8_t bytes[MOST_BYTES];

static void is(const ek_writer *writer, const char *hexadecimal)
{
    static uint8_t expected[MOST_BYTES];
    uint16_t count = bytes_of(hexadecimal, expected);

    CHECK(ek_writer_fits(writer));
    CHECK(writer->total == count && memcmp(writer->bytes, expected, count) == 0);
}

static void integers_are_as_short_as_they_can_be(void)
{
    static const struct {
        uint64_t value;
        const char *bytes;
    } rows[] = {{0, "00"}, {23, "17"}, {24, "1818"}, {255, "18ff"}, {256, "190100"},
                {65535, "19ffff"}, {65536, "1a00010000"}, {UINT32_MAX, "1affffffff"},
                {UINT64_C(1) << 32, "1b0000000100000000"}, {UINT64_MAX, "1bffffffffffffffff"}};
    ek_writer writer;
    ek_reader reader;
    uint64_t back = 1;
    int64_t whole = 1;

    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        ek_writer_init(&writer, bytes, sizeof bytes);
        ek_put_uint64(&writer, rows[at].value);
        is(&writer, rows[at].bytes);
        ek_reader_init(&reader, bytes, writer.total);
        CHECK(ek_get_uint64(&reader, &back) && back == rows[at].value && reader.at == reader.end);
        ek_reader_init(&reader, bytes, writer.total);
        CHECK(ek_get_int64(&reader, &whole) == (rows[at].value <= INT64_MAX));
    }
    ek_writer_init(&writer, bytes, sizeof bytes);
    ek_put_int64(&writer, -1);
    ek_put_int64(&writer, -24);
    ek_put_int64(&writer, -25);
    ek_put_int64(&writer, INT64_MIN);
    ek_put_int64(&writer, INT64_MAX);
    is(&writer, "203738183b7fffffffffffffff1b7fffffffffffffff");
    ek_reader_init(&reader, bytes, writer.total);
    CHECK(ek_get_int64(&reader, &whole) && whole == -1);
    CHECK(ek_get_int64(&reader, &whole) && whole == -24);
    CHECK(ek_get_int64(&reader, &whole) && whole == -25);
    CHECK(ek_get_int64(&reader, &whole) && whole == INT64_MIN);
    CHECK(ek_get_int64(&reader, &whole) && whole == INT64_MAX);
    CHECK(!ek_get_int64(&reader, &whole));
}

static void other_items_are_written_as_the_rfc_says(void)
{
    ek_writer writer;

    ek_writer_init(&writer, bytes, sizeof bytes);
    ek_put_array(&writer, 5);
    ek_put_bool(&writer, true);
    ek_put_bool(&writer, false);
    ek_put_null(&writer);
    ek_put_float(&writer, -0.5f);
    ek_put_map(&writer, 1);
    ek_put_text(&writer, "\xC3\xBC");
    ek_put_bytes(&writer, (const uint8_t *)"\0\1", 2);
    is(&writer, "85f5f4f6fabf000000a162c3bc420001");
    CHECK(ek_cbor_valid(bytes, writer.total));
}

static void a_window_moves_over_a_long_item(void)
{
    uint8_t whole[64];
    uint8_t joined[64];
    uint8_t piece[8];
    ek_writer writer;
    uint16_t total;

    ek_writer_init(&writer, whole, sizeof whole);
    ek_put_text(&writer, "the quick brown fox jumps over it");
    total = writer.total;
    for (uint16_t at = 0; at < total; at = (uint16_t)(at + 7)) {
        uint16_t count = (uint16_t)(total - at < 7 ? total - at : 7);
        memset(piece, 0xEE, sizeof piece);
        ek_writer_init(&writer, piece, 7);
        writer.skip = at;
        ek_put_text(&writer, "the quick brown fox jumps over it");
        CHECK(writer.total == total && piece[7] == 0xEE);
        CHECK(ek_writer_fits(&writer) == (total - at <= 7));
        memcpy(joined + at, piece, count);
    }
    CHECK(memcmp(joined, whole, total) == 0);
}

static void a_full_writer_says_so_and_writes_nothing_beyond(void)
{
    uint8_t small[6] = {0, 0, 0, 0, 0xEE, 0xEE};
    ek_writer writer;

    ek_writer_init(&writer, small, 4);
    for (int time = 0; time < 30000; time++) {
        ek_put_uint(&writer, 1000);
    }
    CHECK(!ek_writer_fits(&writer) && writer.total == UINT16_MAX);
    CHECK(small[4] == 0xEE && small[5] == 0xEE);
}

static float float_of(const char *hexadecimal)
{
    ek_reader reader;
    float value = -1;

    ek_reader_init(&reader, bytes, bytes_of(hexadecimal, bytes));
    CHECK(ek_get_float(&reader, &value) && reader.at == reader.end);
    return value;
}

static void floats_of_any_width_and_integers_read_as_floats(void)
{
    CHECK(float_of("f93c00") == 1.0f && float_of("f9c400") == -4.0f && float_of("f97bff") == 65504.0f);
    CHECK(float_of("f90001") == ldexpf(1, -24) && float_of("f903ff") == ldexpf(1023, -24));
    CHECK(float_of("f90400") == ldexpf(1, -14) && float_of("f98000") == 0.0f);
    CHECK(isinf(float_of("f97c00")) && isnan(float_of("f97e00")));
    CHECK(float_of("fa3dcccccd") == 0.1f && float_of("fb3fb999999999999a") == 0.1f);
    CHECK(float_of("fb3ff0000000000000") == 1.0f && float_of("fbc010000000000000") == -4.0f);
    CHECK(float_of("fb47efffffe0000000") == 3.40282347e38f && isinf(float_of("fb47f0000000000000")));
    CHECK(isinf(float_of("fb7ff0000000000000")) && isnan(float_of("fb7ff8000000000000")));
    CHECK(isnan(float_of("fb7ff0000000000001")) && float_of("fb0000000000000001") == 0.0f);
    CHECK(float_of("fb3810000000000000") == ldexpf(1, -126));
    CHECK(float_of("fb36a0000000000000") == ldexpf(1, -149) && float_of("fb3690000000000000") == 0.0f);
    CHECK(float_of("190100") == 256.0f && float_of("3903e7") == -1000.0f);
}

static void a_reader_that_failed_fails_for_good(void)
{
    ek_reader reader;
    uint32_t value;
    const char *text;
    const uint8_t *string;
    uint16_t count;
    bool flag;
    float real;

    ek_reader_init(&reader, (const uint8_t *)"\x01\x02\x03", 3);
    CHECK(ek_get_uint(&reader, &value) && !ek_get_text(&reader, &text, &count));
    CHECK(!ek_get_uint(&reader, &value) && ek_peek(&reader) == EK_KIND_NONE);
    ek_reader_init(&reader, (const uint8_t *)"\xF6\x01", 2);
    CHECK(!ek_get_bool(&reader, &flag) && !ek_skip(&reader));
    ek_reader_init(&reader, (const uint8_t *)"\xF5\x01", 2);
    CHECK(!ek_get_float(&reader, &real) && !ek_get_array(&reader, &count));
    ek_reader_init(&reader, (const uint8_t *)"\x43\x01\x02", 3);
    CHECK(!ek_get_bytes(&reader, &string, &count));
    ek_reader_init(&reader, (const uint8_t *)"\xA1\x01\x18", 3);
    CHECK(ek_get_map(&reader, &count) && count == 1 && ek_get_uint(&reader, &value));
    CHECK(!ek_skip(&reader));
}

void test_cbor(void)
{
    integers_are_as_short_as_they_can_be();
    other_items_are_written_as_the_rfc_says();
    a_window_moves_over_a_long_item();
    a_full_writer_says_so_and_writes_nothing_beyond();
    floats_of_any_width_and_integers_read_as_floats();
    a_reader_that_failed_fails_for_good();
}
