/* When what is sent: the session, the clock of heartbeats, and the one reliable message under way. */
#include "ek_link.h"

#include <string.h>

#include "ek_internal.h"

#define SECOND_US UINT32_C(1000000)
#define PATIENCE_US (5u * SECOND_US)
#define FIRST_WAIT_MS 250u
enum { ATTEMPTS = 5, LONGEST_WAIT_SHIFT = 3, LEAST_HOLD = 24 };

ek_status ek_link_init(ek_link *link, const ek_setup *setup, uint32_t nonce)
{
    if (link == NULL || setup == NULL || setup->transmit == NULL || setup->hold == NULL || nonce == 0 ||
        setup->transmit_size < EK_WIRE_SIZE(EK_MIN_FRAME) || setup->hold_size < LEAST_HOLD) {
        return EK_ERR_ARGUMENT;
    }
    memset(link, 0, sizeof *link);
    link->setup = setup;
    link->nonce = nonce;
    link->peer_frame = EK_MAX_FRAME;
    link->due = DUE_HELLO;
    link->beat_at_us = (uint32_t)setup->now_us(setup->context);
    return ek_decoder_init(&link->decoder, setup->receive, setup->receive_size);
}

uint64_t ek_now(const ek_link *link)
{
    return link->setup->now_us(link->setup->context);
}

bool ek_link_is_open(const ek_link *link)
{
    return (link->state & STATE_OPEN) != 0;
}

void ek_link_announce(ek_link *link)
{
    link->due |= DUE_HELLO;
    link->hello_at = 0;
}

bool ek_link_epoch_us(const ek_link *link, uint64_t *epoch_us)
{
    *epoch_us = ek_now(link) + (uint64_t)link->epoch_offset_us;
    return (link->state & STATE_HAS_EPOCH) != 0;
}

uint16_t ek_payload_limit(const ek_link *link)
{
    uint16_t frame = (uint16_t)(link->setup->transmit_size - EK_WIRE_SIZE(0u));

    if (frame > link->peer_frame) {
        frame = link->peer_frame;
    }
    return (uint16_t)(frame - EK_OVERHEAD);
}

/* Hands over bytes; true once none is left. */
static bool drain(ek_link *link)
{
    const ek_setup *setup = link->setup;

    if (link->tx_length == 0) {
        return true;
    }
    while (link->tx_at < link->tx_length) {
        uint16_t rest = (uint16_t)(link->tx_length - link->tx_at);
        uint16_t taken = setup->write(setup->context, setup->transmit + link->tx_at, rest);
        if (taken == 0 || taken > rest) {
            return false;
        }
        link->tx_at = (uint16_t)(link->tx_at + taken);
    }
    link->tx_length = 0;
    if ((link->state & STATE_HOLD_LEAVING) != 0) {
        link->state = (uint8_t)((link->state & ~STATE_HOLD_LEAVING) | STATE_HOLD_WAITING);
        link->hold_left_us = (uint32_t)ek_now(link);
    }
    return true;
}

static void send(ek_link *link, ek_type type, uint8_t flags, uint16_t seq, uint16_t length)
{
    link->tx_length = ek_frame_encode(link->setup->transmit, (uint8_t)type, flags, seq, length);
    link->tx_at = 0;
    link->counters[EK_TX_FRAMES]++;
    drain(link);
}

void ek_begin_frame(const ek_link *link, ek_writer *writer)
{
    ek_writer_init(writer, link->setup->transmit + EK_PAYLOAD_AT, ek_payload_limit(link));
}

ek_status ek_finish_frame(ek_link *link, ek_type type, const ek_writer *writer)
{
    if (!ek_writer_fits(writer)) {
        return EK_ERR_TOO_LONG;
    }
    send(link, type, EK_WHOLE, link->seq++, writer->total);
    return EK_OK;
}

ek_status ek_may_send(ek_link *link)
{
    ek_link_poll(link);
    if (!ek_link_is_open(link)) {
        return EK_ERR_CLOSED;
    }
    return link->tx_length != 0 ? EK_ERR_BUSY : EK_OK;
}

void ek_hold(ek_link *link, ek_type type, uint16_t length)
{
    link->hold_type = (uint8_t)type;
    link->hold_length = length;
    link->hold_at = 0;
    link->hold_sent = 0;
    link->hold_seq++;
    link->state &= (uint8_t)~(STATE_HOLD_LEAVING | STATE_HOLD_WAITING);
}

void ek_give_up(ek_link *link)
{
    const ek_setup *setup = link->setup;

    if (link->hold_length == 0) {
        return;
    }
    link->hold_length = 0;
    link->state &= (uint8_t)~(STATE_HOLD_LEAVING | STATE_HOLD_WAITING);
    link->counters[EK_TX_DROPPED]++;
    if (setup->gave_up != NULL) {
        setup->gave_up(setup->context, (ek_type)link->hold_type);
    }
}

void ek_close(ek_link *link)
{
    link->state &= (uint8_t)~STATE_OPEN;
    ek_give_up(link);
}

static void send_hello(ek_link *link)
{
    static const uint8_t flush = 0;
    ek_writer writer;
    uint16_t limit = ek_payload_limit(link);
    uint16_t count;
    uint8_t flags = link->hello_at == 0 ? EK_FIRST : 0;

    if (link->hello_at == 0) {
        link->hello_us = ek_now(link);
        link->setup->write(link->setup->context, &flush, 1); /* ends what noise may have left; is of no matter if it is not taken */
    }
    ek_begin_frame(link, &writer);
    writer.skip = link->hello_at;
    ek_put_hello(link, &writer);
    count = (uint16_t)(writer.total - link->hello_at);
    if (count <= limit) {
        flags |= EK_LAST;
        link->due &= (uint8_t)~DUE_HELLO;
        link->hello_at = 0;
    } else {
        count = limit;
        link->hello_at = (uint16_t)(link->hello_at + limit);
    }
    send(link, EK_HELLO, flags, link->seq++, count);
}

static void send_beat(ek_link *link)
{
    ek_writer writer;
    uint8_t counter;

    ek_begin_frame(link, &writer);
    ek_put_map(&writer, EK_COUNTERS + 1);
    ek_put_uint(&writer, 0);
    ek_put_uint64(&writer, ek_now(link));
    for (counter = 0; counter < EK_COUNTERS; counter++) {
        ek_put_uint(&writer, counter + 1u);
        ek_put_uint(&writer, link->counters[counter]);
    }
    (void)ek_finish_frame(link, EK_HEARTBEAT, &writer);
}

static void answer_time(ek_link *link)
{
    ek_writer writer;

    ek_begin_frame(link, &writer);
    ek_put_array(&writer, 4);
    ek_put_uint(&writer, 1);
    ek_put_uint64(&writer, link->asked_us);
    ek_put_uint64(&writer, link->question_us);
    ek_put_uint64(&writer, ek_now(link));
    (void)ek_finish_frame(link, EK_TIME, &writer);
}

static void send_held(ek_link *link)
{
    ek_writer writer;
    uint16_t limit = ek_payload_limit(link);
    uint16_t count = (uint16_t)(link->hold_length - link->hold_at);
    uint8_t flags = EK_RELIABLE | EK_LAST;

    if (link->hold_sent != 0) {
        link->counters[EK_TX_REPEATS]++;
    }
    if (count > limit) {
        count = limit;
        flags &= (uint8_t)~EK_LAST;
    }
    if (link->hold_at == 0) {
        flags |= EK_FIRST;
    }
    link->hold_chunk = count;
    link->hold_sent++;
    link->state = (uint8_t)((link->state & ~STATE_HOLD_WAITING) | STATE_HOLD_LEAVING);
    ek_begin_frame(link, &writer);
    ek_put_raw(&writer, link->setup->hold + link->hold_at, count);
    send(link, (ek_type)link->hold_type, flags, link->hold_seq, count);
}

/* Whether the held message has to leave (again) now. Gives it up where that was in vain. */
static bool is_hold_due(ek_link *link, uint32_t now_us)
{
    uint32_t wait_us = link->setup->first_wait_ms;
    uint8_t shift;

    if (link->hold_length == 0) {
        return false;
    }
    if ((link->state & STATE_HOLD_WAITING) == 0) {
        return true;
    }
    shift = (uint8_t)(link->hold_sent - 1u);
    if (shift > LONGEST_WAIT_SHIFT) {
        shift = LONGEST_WAIT_SHIFT;
    }
    wait_us = (wait_us == 0 ? FIRST_WAIT_MS : wait_us) * 1000u << shift;
    if ((int32_t)(now_us - link->hold_left_us) < (int32_t)wait_us) { /* it may have left after now_us */
        return false;
    }
    if (link->hold_sent < ATTEMPTS) {
        return true;
    }
    ek_give_up(link);
    return false;
}

/* Begins the most urgent frame there is; false where nothing is due. */
static bool send_next(ek_link *link, uint32_t now_us)
{
    uint8_t due = link->due;

    if (!ek_link_is_open(link)) {
        due &= DUE_HELLO;
    }
    if ((due & DUE_ACK) != 0) {
        link->due &= (uint8_t)~DUE_ACK;
        link->setup->transmit[EK_PAYLOAD_AT] = link->ack_status;
        send(link, EK_ACK, EK_WHOLE, link->ack_seq, 1);
    } else if ((due & DUE_HELLO) != 0) {
        send_hello(link);
    } else if ((due & DUE_TIME) != 0) {
        link->due &= (uint8_t)~DUE_TIME;
        answer_time(link);
    } else if ((due & DUE_BEAT) != 0) {
        link->due &= (uint8_t)~DUE_BEAT;
        send_beat(link);
    } else if (ek_link_is_open(link) && is_hold_due(link, now_us)) {
        send_held(link);
    } else {
        return false;
    }
    return true;
}

void ek_link_poll(ek_link *link)
{
    uint32_t now_us = (uint32_t)ek_now(link);

    if (ek_link_is_open(link) && now_us - link->heard_at_us >= PATIENCE_US) {
        ek_close(link);
        link->due = 0;
    }
    if (now_us - link->beat_at_us >= SECOND_US) {
        link->beat_at_us = now_us;
        link->due |= (uint8_t)(ek_link_is_open(link) ? DUE_BEAT : DUE_HELLO);
    }
    while (drain(link) && send_next(link, now_us)) {
    }
}
