/* ek_tests VECTORS: runs every test of the library on the host; 0 where all claims hold. */
#include <stdlib.h>
#include <string.h>

#include "check.h"

int checks_made;
int checks_failed;

static const char *folder;
static char line[4 * MOST_BYTES];

FILE *open_vectors(const char *name)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(2);
    }
    return file;
}

int next_row(FILE *file, row *next)
{
    do {
        if (fgets(line, sizeof line, file) == NULL) {
            fclose(file);
            return 0;
        }
    } while (line[0] == '#');
    next->count = 0;
    for (char *one = strtok(line, " \n"); one != NULL && next->count < MOST_FIELDS;
         one = strtok(NULL, " \n")) {
        next->fields[next->count++] = one;
    }
    return 1;
}

uint16_t bytes_of(const char *field, uint8_t *bytes)
{
    uint16_t count = 0;
    unsigned value;

    for (; strcmp(field, "-") != 0 && *field != '\0'; field += 2) {
        if (sscanf(field, "%2x", &value) != 1 || count == MOST_BYTES) {
            fprintf(stderr, "not hexadecimal: %.40s\n", field);
            exit(2);
        }
        bytes[count++] = (uint8_t)value;
    }
    return count;
}

uint16_t payload_of(const char *name, uint8_t *bytes)
{
    FILE *file = open_vectors("good.txt");
    row next;

    while (next_row(file, &next)) {
        if (strcmp(next.fields[0], name) == 0) {
            fclose(file);
            return bytes_of(next.fields[5], bytes);
        }
    }
    fprintf(stderr, "no packet %s\n", name);
    exit(2);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: ek_tests FOLDER_OF_VECTORS\n");
        return 2;
    }
    folder = arguments[1];
    test_frames();
    test_cbor();
    test_link();
    test_reliable();
    test_messages();
    printf("%d claims, %d failed\n", checks_made, checks_failed);
    return checks_failed == 0 && checks_made > 0 ? 0 : 1;
}
