/* What becomes of each frame that comes from the host. */
#include <stddef.h>

#include "ek_internal.h"
#include "ek_link.h"

#define REPETITION 0x8000u
enum { SEEN_ALL = 0x3F };

bool ek_get_upto(ek_reader *reader, uint32_t most, uint32_t *value)
{
    return ek_get_uint(reader, value) && *value <= most;
}

static void start_session(ek_link *link, uint32_t peer)
{
    link->peer = peer;
    link->state &= (uint8_t)~(STATE_HAS_LAST | STATE_HAS_EPOCH);
    link->due = 0;
    link->message_used = 0;
    link->hello_at = 0;
    ek_give_up(link);
}

/* The keys of a HELLO that everyone sends. */
enum { VERSION, NONCE, HEARD, OPEN, MAX_FRAME, MAX_MESSAGE, KEYS };

static bool is_within(uint32_t value, uint32_t least, uint32_t most)
{
    return value >= least && value <= most;
}

static bool take_hello(ek_link *link, const ek_frame *frame, uint32_t now_us)
{
    ek_reader reader;
    uint32_t values[KEYS];
    uint32_t key;
    uint16_t pairs;
    uint8_t seen = 0;
    bool open = false;

    ek_reader_init(&reader, frame->payload, frame->length);
    if (!ek_get_map(&reader, &pairs)) {
        return false;
    }
    for (; pairs != 0; pairs--) {
        if (!ek_get_uint(&reader, &key)) {
            return false;
        }
        if (key >= KEYS) {
            ek_skip(&reader);
            continue;
        }
        if (key == OPEN ? !ek_get_bool(&reader, &open) : !ek_get_uint(&reader, &values[key])) {
            return false;
        }
        seen = (uint8_t)(seen | 1u << key);
    }
    if (seen != SEEN_ALL || values[NONCE] == 0 || values[NONCE] == link->nonce || !is_within(values[VERSION], 1, UINT8_MAX) ||
        !is_within(values[MAX_FRAME], EK_MIN_FRAME, EK_MAX_FRAME) ||
        !is_within(values[MAX_MESSAGE], EK_MIN_FRAME - EK_OVERHEAD, EK_MAX_MESSAGE)) {
        return false;
    }
    if (values[NONCE] != link->peer) {
        start_session(link, values[NONCE]);
    }
    link->heard_at_us = now_us;
    link->peer_frame = (uint16_t)values[MAX_FRAME];
    link->state |= STATE_OPEN;
    if (values[HEARD] != link->nonce) {
        ek_close(link);
    }
    if (!open) {
        ek_link_announce(link);
    }
    return true;
}

static bool take_ack(ek_link *link, const ek_frame *frame)
{
    ek_reader reader;
    uint32_t status;

    ek_reader_init(&reader, frame->payload, frame->length);
    if (!ek_get_upto(&reader, UINT8_MAX, &status) || link->hold_length == 0 || link->hold_sent == 0 ||
        frame->seq != link->hold_seq) {
        return false;
    }
    if (status == EK_ACK_OK) {
        uint16_t at = (uint16_t)(link->hold_at + link->hold_chunk);
        uint16_t length = link->hold_length;
        link->hold_length = 0;
        if (at < length) {
            ek_hold(link, (ek_type)link->hold_type, length);
            link->hold_at = at;
        }
    } else if (status != EK_ACK_BUSY) {
        ek_give_up(link);
    }
    return true;
}

static bool take_question(ek_link *link, const ek_frame *frame, uint64_t now_us)
{
    ek_reader reader;
    uint16_t items;
    uint32_t kind;
    uint64_t asked;
    int64_t offset;

    ek_reader_init(&reader, frame->payload, frame->length);
    if (!ek_get_array(&reader, &items) || items < 2 || !ek_get_upto(&reader, 0, &kind) ||
        !ek_get_uint64(&reader, &asked)) {
        return false;
    }
    if (items > 2) {
        if (!ek_get_int64(&reader, &offset)) {
            return false;
        }
        link->epoch_offset_us = offset;
        link->state |= STATE_HAS_EPOCH;
    }
    link->asked_us = asked;
    link->question_us = now_us;
    link->due |= DUE_TIME;
    return true;
}

static bool take_reliable(ek_link *link, const ek_frame *frame)
{
    uint16_t ahead = (uint16_t)(frame->seq - link->last_seq);
    bool is_new = (link->state & STATE_HAS_LAST) == 0 || (ahead != 0 && ahead < REPETITION);
    ek_ack status;

    link->due |= DUE_ACK;
    link->ack_seq = frame->seq;
    if (!is_new) {
        return false;
    }
    status = link->setup->requests == NULL ? EK_ACK_UNKNOWN : link->setup->requests(link, frame);
    link->ack_status = (uint8_t)status;
    if (status != EK_ACK_BUSY) {
        link->last_seq = frame->seq;
        link->state |= STATE_HAS_LAST;
    }
    return status == EK_ACK_OK;
}

static bool take(ek_link *link, const ek_frame *frame)
{
    uint64_t now_us = ek_now(link);
    bool is_whole = frame->flags == EK_WHOLE && ek_cbor_valid(frame->payload, frame->length);

    if (frame->type == EK_HELLO) {
        return is_whole && take_hello(link, frame, (uint32_t)now_us);
    }
    if (!ek_link_is_open(link)) {
        return false;
    }
    link->heard_at_us = (uint32_t)now_us;
    if ((frame->flags & EK_RELIABLE) != 0) {
        return take_reliable(link, frame);
    }
    if (!is_whole) {
        return false;
    }
    switch (frame->type) {
    case EK_ACK:
        return take_ack(link, frame);
    case EK_TIME:
        return take_question(link, frame, now_us);
    default:
        return frame->type == EK_HEARTBEAT;
    }
}

void ek_link_feed(ek_link *link, uint8_t byte)
{
    ek_frame frame;
    ek_received received = ek_decoder_feed(&link->decoder, byte, &frame);

    if (link->decoder.used > link->counters[EK_RX_HIGH_WATER]) {
        link->counters[EK_RX_HIGH_WATER] = link->decoder.used;
    }
    if (received == EK_NOTHING) {
        return;
    }
    if (received != EK_FRAME) {
        link->counters[received < EK_BAD_CRC ? EK_RX_DROPPED : EK_RX_ERRORS]++;
        return;
    }
    link->counters[EK_RX_FRAMES]++;
    if (!take(link, &frame)) {
        link->counters[EK_RX_DROPPED]++;
    }
}
