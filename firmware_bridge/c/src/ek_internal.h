/* What the link's own files share. Not for users. */
#ifndef EK_INTERNAL_H
#define EK_INTERNAL_H

#include "ek_link.h"

/* ek_link.state */
enum {
    STATE_OPEN = 1,
    STATE_HAS_LAST = 2,     /* last_seq is of this session */
    STATE_HAS_EPOCH = 4,    /* epoch_offset_us is of this session */
    STATE_HOLD_LEAVING = 8, /* the frame in setup.transmit is the one that is held */
    STATE_HOLD_WAITING = 16 /* it has left; its acknowledgement has not come */
};

/* ek_link.due */
enum { DUE_ACK = 1, DUE_HELLO = 2, DUE_TIME = 4, DUE_BEAT = 8 };

/* Microseconds since boot. */
uint64_t ek_now(const ek_link *link);
/* The longest payload that both ends can take in one frame from here. */
uint16_t ek_payload_limit(const ek_link *link);
/* Lends the place of the next frame's payload. Only while tx_length is 0. */
void ek_begin_frame(const ek_link *link, ek_writer *writer);
/* Encodes what `writer` holds and begins to send it: EK_ERR_TOO_LONG where it did not fit. */
ek_status ek_finish_frame(ek_link *link, ek_type type, const ek_writer *writer);
/* EK_OK where an unreliable message may begin now. */
ek_status ek_may_send(ek_link *link);
/* Makes the first `length` bytes of setup.hold a reliable message. */
void ek_hold(ek_link *link, ek_type type, uint16_t length);
/* Forgets the reliable message under way and says so; nothing where there is none. */
void ek_give_up(ek_link *link);
/* The session is not open any more; what was under way is given up. */
void ek_close(ek_link *link);
void ek_put_hello(const ek_link *link, ek_writer *writer);

/* Takes an integer of at most `most`. */
bool ek_get_upto(ek_reader *reader, uint32_t most, uint32_t *value);

#endif
