/* A claim of a test, and the golden packets. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>

extern int checks_made;
extern int checks_failed;

#define CHECK(claim)                                                     \
    do {                                                                 \
        checks_made++;                                                   \
        if (!(claim)) {                                                  \
            checks_failed++;                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim); \
        }                                                                \
    } while (0)

enum { MOST_FIELDS = 8, MOST_BYTES = 16384 };

/* One line of a file of vectors, cut at its blanks. */
typedef struct row {
    char *fields[MOST_FIELDS];
    int count;
} row;

/* Opens a file of vectors, or ends the program. */
FILE *open_vectors(const char *name);
/* Reads the next row that is not a remark; 0 at the end. Fields live until the next call. */
int next_row(FILE *file, row *next);
/* The bytes that a field stands for, in `bytes` of MOST_BYTES; returns how many. */
uint16_t bytes_of(const char *field, uint8_t *bytes);
/* The payload of the good packet with this name. */
uint16_t payload_of(const char *name, uint8_t *bytes);

void test_frames(void);
void test_cbor(void);
void test_link(void);
void test_reliable(void);
void test_messages(void);

#endif
