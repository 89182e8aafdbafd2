/* What becomes of each frame that comes from the host. */
#include <string.h>

#include "ek_internal.h"
#include "ek_link.h"

#define REPETITION 0x8000u
enum { SEEN_ALL = 0x3F };

static bool get_within(ek_reader *reader, uint32_t least, uint32_t most, uint32_t *value)
{
    uint64_t wide;

    if (!ek_get_uint(reader, &wide) || wide < least || wide > most) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
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

static bool take_hello(ek_link *link, const ek_frame *frame, uint32_t now_us)
{
    ek_reader reader;
    uint64_t key;
    uint32_t value = 0;
    uint32_t nonce = 0;
    uint32_t heard = 0;
    uint32_t longest = 0;
    uint16_t pairs;
    uint8_t seen = 0;
    bool open = false;
    bool fine = true;

    ek_reader_init(&reader, frame->payload, frame->length);
    if (!ek_get_map(&reader, &pairs)) {
        return false;
    }
    for (; pairs != 0 && fine; pairs--) {
        if (!ek_get_uint(&reader, &key)) {
            return false;
        }
        switch (key) {
        case 0:
            fine = get_within(&reader, 1, UINT8_MAX, &value);
            break;
        case 1:
            fine = get_within(&reader, 1, UINT32_MAX, &nonce);
            break;
        case 2:
            fine = get_within(&reader, 0, UINT32_MAX, &heard);
            break;
        case 3:
            fine = ek_get_bool(&reader, &open);
            break;
        case 4:
            fine = get_within(&reader, EK_MIN_FRAME, EK_MAX_FRAME, &longest);
            break;
        case 5:
            fine = get_within(&reader, EK_MIN_FRAME - EK_OVERHEAD, EK_MAX_MESSAGE, &value);
            break;
        default:
            fine = ek_skip(&reader);
            continue;
        }
        seen = (uint8_t)(seen | 1u << key);
    }
    if (!fine || seen != SEEN_ALL) {
        return false;
    }
    if (nonce != link->peer) {
        start_session(link, nonce);
    }
    link->heard_at_us = now_us;
    link->peer_frame = (uint16_t)longest;
    link->state &= (uint8_t)~STATE_OPEN;
    if (heard == link->nonce) {
        link->state |= STATE_OPEN;
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
    if (!get_within(&reader, 0, UINT8_MAX, &status) || link->hold_length == 0 || link->hold_sent == 0 ||
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
    if (!ek_get_array(&reader, &items) || items < 2 || !get_within(&reader, 0, 0, &kind) ||
        !ek_get_uint(&reader, &asked)) {
        return false;
    }
    if (items > 2) {
        if (!ek_get_int(&reader, &offset)) {
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

static ek_ack set_periods(ek_link *link, ek_reader *reader)
{
    const ek_setup *setup = link->setup;
    uint16_t pairs;
    uint32_t sensor;
    uint64_t period;
    ek_ack status = EK_ACK_OK;

    if (!ek_get_map(reader, &pairs)) {
        return EK_ACK_REFUSED;
    }
    for (; pairs != 0 && status == EK_ACK_OK; pairs--) {
        if (!get_within(reader, 0, UINT8_MAX, &sensor) || !ek_get_uint(reader, &period) ||
            period > EK_MAX_PERIOD_NS) {
            return EK_ACK_REFUSED;
        }
        if (sensor >= setup->device->sensor_count || setup->set_period == NULL) {
            return EK_ACK_UNKNOWN;
        }
        status = setup->set_period(setup->context, (uint8_t)sensor, period);
        ek_link_announce(link);
    }
    return status;
}

static bool is_setting(const ek_reader *reader)
{
    switch (ek_peek(reader)) {
    case EK_KIND_UINT:
    case EK_KIND_NEGATIVE:
    case EK_KIND_TEXT:
        return true;
    case EK_KIND_OTHER:
        return *reader->at != 0xF6; /* null */
    default:
        return false;
    }
}

static ek_ack set_values(const ek_setup *setup, ek_reader *reader)
{
    const char *name;
    uint16_t length;
    uint16_t pairs;
    ek_reader value;
    ek_ack status = EK_ACK_OK;

    if (!ek_get_map(reader, &pairs)) {
        return EK_ACK_REFUSED;
    }
    for (; pairs != 0 && status == EK_ACK_OK; pairs--) {
        if (!ek_get_text(reader, &name, &length) || length == 0 || length > EK_MAX_NAME ||
            !is_setting(reader)) {
            return EK_ACK_REFUSED;
        }
        if (setup->set_value == NULL) {
            return EK_ACK_UNKNOWN;
        }
        value = *reader;
        ek_skip(reader);
        value.end = reader->at;
        status = setup->set_value(setup->context, name, length, &value);
    }
    return status;
}

static ek_ack take_config(ek_link *link, ek_reader *reader)
{
    uint16_t pairs;
    uint64_t key;
    ek_ack status = EK_ACK_OK;

    if (!ek_get_map(reader, &pairs)) {
        return EK_ACK_REFUSED;
    }
    for (; pairs != 0 && status == EK_ACK_OK; pairs--) {
        if (!ek_get_uint(reader, &key)) {
            return EK_ACK_REFUSED;
        }
        if (key == 0) {
            status = set_periods(link, reader);
        } else if (key == 1) {
            status = set_values(link->setup, reader);
        } else {
            ek_skip(reader);
        }
    }
    return status;
}

static ek_ack take_command(ek_link *link, ek_reader *reader)
{
    const ek_setup *setup = link->setup;
    ek_command command;
    uint16_t items;
    uint32_t id;
    int32_t status;
    uint16_t length;

    if (!ek_get_array(reader, &items) || items < 2 || !get_within(reader, 0, UINT16_MAX, &id) ||
        !ek_get_text(reader, &command.name, &command.name_length) || command.name_length == 0 ||
        command.name_length > EK_MAX_NAME) {
        return EK_ACK_REFUSED;
    }
    if (setup->command == NULL) {
        return EK_ACK_UNKNOWN;
    }
    if (link->hold_length != 0) {
        return EK_ACK_BUSY;
    }
    command.id = (uint16_t)id;
    command.argument = *reader;
    if (items > 2) {
        ek_skip(reader);
    }
    command.argument.end = reader->at;
    ek_writer_init(&command.value, setup->hold + EK_VALUE_AT,
                   (uint16_t)(setup->hold_size - EK_VALUE_AT));
    status = setup->command(setup->context, &command);
    if (status != EK_LATER) {
        length = command.value.total;
        if (!ek_writer_fits(&command.value)) {
            status = EK_VALUE_TOO_LONG;
            length = 0;
        }
        ek_hold_response(link, command.id, (int16_t)status, length);
    }
    return EK_ACK_OK;
}

static ek_ack carry_out(ek_link *link, uint8_t type, const uint8_t *payload, uint16_t length)
{
    ek_reader reader;

    ek_reader_init(&reader, payload, length);
    if (type != EK_CONFIG && type != EK_COMMAND) {
        return EK_ACK_UNKNOWN;
    }
    if (!ek_cbor_valid(payload, length)) {
        return EK_ACK_REFUSED;
    }
    return type == EK_CONFIG ? take_config(link, &reader) : take_command(link, &reader);
}

/* Joins chunks in setup.message, and carries out what is whole. */
static ek_ack gather(ek_link *link, const ek_frame *frame)
{
    const ek_setup *setup = link->setup;
    uint16_t used = (frame->flags & EK_FIRST) != 0 ? 0 : link->message_used;
    ek_ack status = EK_ACK_OK;

    if ((frame->flags & EK_WHOLE) == EK_WHOLE) {
        link->message_used = 0;
        return carry_out(link, frame->type, frame->payload, frame->length);
    }
    link->message_used = 0;
    if ((frame->flags & EK_FIRST) != 0) {
        link->message_type = frame->type;
    } else if (used == 0 || frame->type != link->message_type) {
        return EK_ACK_REFUSED;
    }
    if (frame->length > setup->message_size - used) {
        return EK_ACK_TOO_LONG;
    }
    memcpy(setup->message + used, frame->payload, frame->length);
    link->message_used = (uint16_t)(used + frame->length);
    if ((frame->flags & EK_LAST) != 0) {
        status = carry_out(link, frame->type, setup->message, link->message_used);
        link->message_used = status == EK_ACK_BUSY ? used : 0; /* the last chunk comes again */
    }
    return status;
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
    status = gather(link, frame);
    link->ack_status = (uint8_t)status;
    if (status != EK_ACK_BUSY) {
        link->last_seq = frame->seq;
        link->state |= STATE_HAS_LAST;
    }
    return status == EK_ACK_OK;
}

static bool take(ek_link *link, const ek_frame *frame)
{
    uint64_t now_us = link->setup->now_us(link->setup->context);
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
