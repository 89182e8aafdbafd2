/* ek_codec: the C codec behind a pipe, so that another implementation can be compared with it, many packets a second.
 *
 * Build:   cc -std=c99 -O2 -Iinclude src/ek_frame.c src/ek_cbor_read.c src/ek_cbor_write.c tests/codec_main.c -o ek_codec
 *          or: make ek_codec (in firmware_bridge/c)
 *
 * One request a line on stdin; bytes are in hexadecimal, "-" where there are none. Each answer is some lines, and then a line with "." alone.
 *
 *   D BYTES                       feeds bytes to the decoder, which stays between lines. For each event, in order:
 *                                   F VERSION TYPE FLAGS SEQ PAYLOAD ok|bad   a good frame; "bad": not one CBOR item of the subset
 *                                   E cobs|length|crc|version|flags           a frame that is dropped, and why
 *   E TYPE FLAGS SEQ PAYLOAD      encodes one frame:  W WIRE    (with its delimiter; "! too long" for 0 or more than 499 bytes)
 *   V BYTES                       is it one CBOR item of the subset?  V ok|bad
 *   T BYTES                       the item read by the C reader and written again by the C writer (shortest integers and
 *                                 lengths; every float in 32 bits):  T BYTES, or "T bad"
 *   R SIZE                        starts the decoder anew for frames of at most SIZE bytes before COBS (64 to 508; 508 at first)
 *
 * "! ..." says that the request was not understood. Ends at the end of stdin with 0. Answers are flushed after each request. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ek_cbor.h"
#include "ek_frame.h"

enum { LONGEST_LINE = 1 << 20, LONGEST = LONGEST_LINE / 2 };

static char line[LONGEST_LINE];
static uint8_t bytes[LONGEST];
static uint8_t written[LONGEST];

static const char *reason(ek_received received)
{
    switch (received) {
    case EK_BAD_COBS:
        return "cobs";
    case EK_BAD_LENGTH:
        return "length";
    case EK_BAD_CRC:
        return "crc";
    case EK_BAD_VERSION:
        return "version";
    case EK_BAD_FLAGS:
        return "flags";
    default:
        return "?";
    }
}

static int digit(char one)
{
    if (one >= '0' && one <= '9') {
        return one - '0';
    }
    if (one >= 'a' && one <= 'f') {
        return one - 'a' + 10;
    }
    return one >= 'A' && one <= 'F' ? one - 'A' + 10 : -1;
}

/* The number of bytes that `text` stands for, or -1. */
static long parse(const char *text)
{
    long count = 0;

    if (text == NULL) {
        return -1;
    }
    if (strcmp(text, "-") == 0) {
        return 0;
    }
    for (; *text != '\0'; text += 2, count++) {
        int high = digit(text[0]);
        int low = high < 0 ? -1 : digit(text[1]);
        if (low < 0 || count == LONGEST) {
            return -1;
        }
        bytes[count] = (uint8_t)(high << 4 | low);
    }
    return count;
}

static void print(const uint8_t *from, long count)
{
    static const char digits[] = "0123456789abcdef";

    if (count == 0) {
        putchar('-');
    }
    for (; count > 0; count--, from++) {
        putchar(digits[*from >> 4]);
        putchar(digits[*from & 15]);
    }
}

static void decode(ek_decoder *decoder, long count)
{
    ek_frame frame;

    for (long at = 0; at < count; at++) {
        ek_received received = ek_decoder_feed(decoder, bytes[at], &frame);
        if (received == EK_FRAME) {
            printf("F %u %u %u %u ", (unsigned)frame.version, (unsigned)frame.type,
                   (unsigned)frame.flags, (unsigned)frame.seq);
            print(frame.payload, frame.length);
            puts(ek_cbor_valid(frame.payload, frame.length) ? " ok" : " bad");
        } else if (received != EK_NOTHING) {
            printf("E %s\n", reason(received));
        }
    }
}

static void encode(unsigned long type, unsigned long flags, unsigned long seq, long count)
{
    uint8_t wire[EK_MAX_WIRE];

    if (count < 1 || count > (long)EK_MAX_PAYLOAD) {
        puts("! too long");
        return;
    }
    memcpy(wire + EK_PAYLOAD_AT, bytes, (size_t)count);
    printf("W ");
    print(wire, ek_frame_encode(wire, (uint8_t)type, (uint8_t)flags, (uint16_t)seq, (uint16_t)count));
    putchar('\n');
}

/* Reads one item and all within it, and writes it again. `count` items are still to come at this depth. */
static bool copy(ek_reader *reader, ek_writer *writer, int depth)
{
    uint64_t natural;
    int64_t whole;
    const uint8_t *string;
    const char *text;
    float real;
    bool flag;
    uint16_t count;
    uint16_t pairs = 1;
    ek_reader again = *reader;

    switch (ek_peek(reader)) {
    case EK_KIND_UINT:
        if (!ek_get_uint64(reader, &natural)) {
            return false;
        }
        ek_put_uint64(writer, natural);
        return true;
    case EK_KIND_NEGATIVE:
        if (!ek_get_int64(reader, &whole)) {
            return false;
        }
        ek_put_int64(writer, whole);
        return true;
    case EK_KIND_BYTES:
        if (!ek_get_bytes(reader, &string, &count)) {
            return false;
        }
        ek_put_bytes(writer, string, count);
        return true;
    case EK_KIND_TEXT:
        if (!ek_get_text(reader, &text, &count)) {
            return false;
        }
        ek_put_text_n(writer, text, count);
        return true;
    case EK_KIND_ARRAY:
        if (depth == EK_CBOR_DEPTH || !ek_get_array(reader, &count)) {
            return false;
        }
        ek_put_array(writer, count);
        break;
    case EK_KIND_MAP:
        if (depth == EK_CBOR_DEPTH || !ek_get_map(reader, &count)) {
            return false;
        }
        ek_put_map(writer, count);
        pairs = 2;
        break;
    case EK_KIND_OTHER:
        if (ek_get_bool(reader, &flag)) {
            ek_put_bool(writer, flag);
        } else if (*again.at == 0xF6) {
            *reader = again;
            reader->at++;
            ek_put_null(writer);
        } else {
            *reader = again;
            if (!ek_get_float(reader, &real)) {
                return false;
            }
            ek_put_float(writer, real);
        }
        return true;
    default:
        return false;
    }
    for (uint32_t items = (uint32_t)count * pairs; items > 0; items--) {
        if (!copy(reader, writer, depth + 1)) {
            return false;
        }
    }
    return true;
}

static void transcode(long count)
{
    ek_reader reader;
    ek_writer writer;

    ek_writer_init(&writer, written, UINT16_MAX - 1);
    if (count > 0 && count < UINT16_MAX / 2) {
        ek_reader_init(&reader, bytes, (uint16_t)count);
        if (copy(&reader, &writer, 0) && reader.at == reader.end) {
            printf("T ");
            print(written, writer.total);
            putchar('\n');
            return;
        }
    }
    puts("T bad");
}

static void answer(ek_decoder *decoder, uint8_t *buffer, char *request)
{
    char *fields[5] = {NULL, NULL, NULL, NULL, NULL};
    int count = 0;
    long size;

    for (char *one = strtok(request, " \r\n"); one != NULL && count < 5; one = strtok(NULL, " \r\n")) {
        fields[count++] = one;
    }
    size = parse(fields[count == 5 ? 4 : 1]);
    if (count == 2 && strcmp(fields[0], "R") == 0) {
        if (ek_decoder_init(decoder, buffer, (uint16_t)atoi(fields[1])) != EK_OK) {
            puts("! size");
        }
    } else if (count == 2 && size >= 0 && strcmp(fields[0], "D") == 0) {
        decode(decoder, size);
    } else if (count == 2 && size >= 0 && strcmp(fields[0], "V") == 0) {
        puts(size < UINT16_MAX && ek_cbor_valid(bytes, (uint16_t)size) ? "V ok" : "V bad");
    } else if (count == 2 && size >= 0 && strcmp(fields[0], "T") == 0) {
        transcode(size);
    } else if (count == 5 && size >= 0 && strcmp(fields[0], "E") == 0) {
        encode(strtoul(fields[1], NULL, 10), strtoul(fields[2], NULL, 10),
               strtoul(fields[3], NULL, 10), size);
    } else {
        puts("! request");
    }
}

int main(void)
{
    uint8_t buffer[EK_MAX_FRAME];
    ek_decoder decoder;

    ek_decoder_init(&decoder, buffer, sizeof buffer);
    while (fgets(line, sizeof line, stdin) != NULL) {
        answer(&decoder, buffer, line);
        puts(".");
        fflush(stdout);
    }
    return 0;
}
