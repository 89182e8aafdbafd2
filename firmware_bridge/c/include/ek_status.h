/* What a call to the bridge may come back with. */
#ifndef EK_STATUS_H
#define EK_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ek_status {
    EK_OK = 0,
    EK_ERR_ARGUMENT = -1, /* a null pointer, an index or a size that cannot be */
    EK_ERR_TOO_LONG = -2, /* does not fit into a frame, or into the buffer that was lent */
    EK_ERR_BUSY = -3,     /* the transmitter has not finished: poll, and try again */
    EK_ERR_CLOSED = -4    /* no host listens */
} ek_status;

/* A line for people. */
const char *ek_status_text(ek_status status);

/* Fails to compile where `claim` is false; `name` says what was claimed. C99 has no static_assert. */
#define EK_STATIC_ASSERT(claim, name) typedef char ek_assert_##name[(claim) ? 1 : -1]

#ifdef __cplusplus
}
#endif
#endif
