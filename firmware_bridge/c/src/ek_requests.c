/* CONFIG and COMMAND: what a host asks for, and the answer to it. Linked only where ek_setup.requests names ek_requests. */
#include <stddef.h>
#include <string.h>

#include "ek_internal.h"
#include "ek_link.h"

/* Array, id and status take up to 7 bytes; a value is put behind them first. */
#define VALUE_AT 7u

/* Puts the head before a value of `length` bytes at setup.hold + VALUE_AT, and sends that. */
static void hold_response(ek_link *link, uint16_t id, int16_t status, uint16_t length)
{
    uint8_t *hold = link->setup->hold;
    ek_writer writer;

    ek_writer_init(&writer, hold, UINT16_MAX);
    ek_put_array(&writer, length != 0 ? 3 : 2);
    ek_put_uint(&writer, id);
    ek_put_int(&writer, status);
    ek_put_raw(&writer, hold + VALUE_AT, length); /* forwards, and never beyond what is read */
    ek_hold(link, EK_RESPONSE, writer.total);
}

static ek_ack set_period(ek_link *link, ek_reader *reader)
{
    const ek_setup *setup = link->setup;
    uint32_t sensor;
    uint64_t period;

    if (!ek_get_uint(reader, &sensor) || !ek_get_uint64(reader, &period) || period > EK_MAX_PERIOD_NS) {
        return EK_ACK_REFUSED;
    }
    if (sensor >= setup->device->sensor_count || setup->set_period == NULL) {
        return EK_ACK_UNKNOWN;
    }
    ek_link_announce(link);
    return setup->set_period(setup->context, (uint8_t)sensor, period);
}

static ek_ack set_value(const ek_setup *setup, ek_reader *reader)
{
    const char *name;
    uint16_t length;
    ek_reader value;

    if (!ek_get_text(reader, &name, &length) || length == 0 || length > EK_MAX_NAME) {
        return EK_ACK_REFUSED;
    }
    if (setup->set_value == NULL) {
        return EK_ACK_UNKNOWN;
    }
    value = *reader;
    ek_skip(reader);
    value.end = reader->at;
    return setup->set_value(setup->context, name, length, &value);
}

static ek_ack take_config(ek_link *link, ek_reader *reader)
{
    uint16_t pairs;
    uint16_t settings;
    uint32_t key;
    ek_ack status;

    if (!ek_get_map(reader, &pairs)) {
        return EK_ACK_REFUSED;
    }
    for (; pairs != 0; pairs--) {
        if (!ek_get_uint(reader, &key)) {
            return EK_ACK_REFUSED;
        }
        if (key > 1) {
            ek_skip(reader);
            continue;
        }
        if (!ek_get_map(reader, &settings)) {
            return EK_ACK_REFUSED;
        }
        for (; settings != 0; settings--) {
            status = key == 0 ? set_period(link, reader) : set_value(link->setup, reader);
            if (status != EK_ACK_OK) {
                return status;
            }
        }
    }
    return EK_ACK_OK;
}

static ek_ack take_command(ek_link *link, ek_reader *reader)
{
    const ek_setup *setup = link->setup;
    ek_command command;
    uint16_t items;
    uint32_t id;
    int32_t status;
    uint16_t length;

    if (!ek_get_array(reader, &items) || items < 2 || !ek_get_upto(reader, UINT16_MAX, &id) ||
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
    ek_writer_init(&command.value, setup->hold + VALUE_AT,
                   (uint16_t)(setup->hold_size - VALUE_AT));
    status = setup->command(setup->context, &command);
    if (status != EK_LATER) {
        length = command.value.total;
        if (!ek_writer_fits(&command.value)) {
            status = EK_VALUE_TOO_LONG;
            length = 0;
        }
        hold_response(link, command.id, (int16_t)status, length);
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
ek_ack ek_requests(ek_link *link, const ek_frame *frame)
{
    const ek_setup *setup = link->setup;
    uint16_t used = (frame->flags & EK_FIRST) != 0 ? 0 : link->message_used;
    ek_writer message;
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
    ek_writer_init(&message, setup->message, setup->message_size);
    message.total = used;
    ek_put_raw(&message, frame->payload, frame->length);
    link->message_used = message.total;
    if ((frame->flags & EK_LAST) != 0) {
        status = carry_out(link, frame->type, setup->message, link->message_used);
        link->message_used = status == EK_ACK_BUSY ? used : 0; /* the last chunk comes again */
    }
    return status;
}

ek_status ek_link_respond(ek_link *link, uint16_t id, int16_t status, const uint8_t *value,
                          uint16_t length)
{
    const ek_setup *setup = link->setup;

    if (value == NULL ? length != 0 : !ek_cbor_valid(value, length)) {
        return EK_ERR_ARGUMENT;
    }
    if (!ek_link_is_open(link)) {
        return EK_ERR_CLOSED;
    }
    if (link->hold_length != 0) {
        return EK_ERR_BUSY;
    }
    if (length > setup->hold_size - VALUE_AT) {
        return EK_ERR_TOO_LONG;
    }
    if (length != 0) {
        memmove(setup->hold + VALUE_AT, value, length);
    }
    hold_response(link, id, status, length);
    ek_link_poll(link);
    return EK_OK;
}

bool ek_command_is(const ek_command *command, const char *name)
{
    return strlen(name) == command->name_length && memcmp(name, command->name, command->name_length) == 0;
}
