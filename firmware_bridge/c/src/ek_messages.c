/* The payloads that a device sends, apart from those of the link itself. */
#include <string.h>

#include "ek_internal.h"
#include "ek_link.h"

enum { ARRAY_SENSOR_AND_TIME = 7, LONGEST_HEAD = 10 };

static void put_number(ek_writer *writer, uint8_t key, uint64_t value)
{
    ek_put_uint(writer, key);
    ek_put_uint(writer, value);
}

static void put_string(ek_writer *writer, uint8_t key, const char *text)
{
    ek_put_uint(writer, key);
    ek_put_text(writer, text);
}

static void put_real(ek_writer *writer, uint8_t key, float value)
{
    ek_put_uint(writer, key);
    ek_put_float(writer, value);
}

static void put_sensor(ek_writer *writer, const ek_sensor *sensor)
{
    ek_put_map(writer, 7);
    put_string(writer, 0, sensor->name);
    put_string(writer, 1, sensor->unit);
    put_number(writer, 2, sensor->period_ns);
    put_number(writer, 3, sensor->format);
    put_number(writer, 4, sensor->channels);
    put_real(writer, 5, sensor->scale);
    put_real(writer, 6, sensor->offset);
}

static void put_model(ek_writer *writer, const ek_model *model)
{
    ek_put_map(writer, 3);
    put_string(writer, 0, model->name);
    ek_put_uint(writer, 1);
    ek_put_bytes(writer, model->digest, model->digest_size);
    put_number(writer, 2, model->sensor);
}

void ek_put_hello(const ek_link *link, ek_writer *writer)
{
    const ek_setup *setup = link->setup;
    const ek_device *device = setup->device;
    uint8_t number;

    ek_put_map(writer, 12);
    put_number(writer, 0, EK_VERSION);
    put_number(writer, 1, link->nonce);
    put_number(writer, 2, link->peer);
    ek_put_uint(writer, 3);
    ek_put_bool(writer, ek_link_is_open(link));
    put_number(writer, 4, setup->receive_size);
    put_number(writer, 5, setup->message_size != 0 ? setup->message_size : setup->receive_size - EK_OVERHEAD);
    put_number(writer, 6, link->hello_us);
    put_string(writer, 7, device->name);
    put_string(writer, 8, device->firmware);
    put_string(writer, 9, device->version);
    ek_put_uint(writer, 10);
    ek_put_array(writer, device->sensor_count);
    for (number = 0; number < device->sensor_count; number++) {
        put_sensor(writer, &device->sensors[number]);
    }
    ek_put_uint(writer, 11);
    ek_put_array(writer, device->model_count);
    for (number = 0; number < device->model_count; number++) {
        put_model(writer, &device->models[number]);
    }
}

static uint8_t width_of(uint8_t format)
{
    return (uint8_t)(1u << (format % 3u));
}

uint16_t ek_link_room(const ek_link *link, uint8_t sensor)
{
    const ek_sensor *one = &link->setup->device->sensors[sensor];
    uint16_t bytes = (uint16_t)(ek_payload_limit(link) - LONGEST_HEAD);
    uint8_t instant = (uint8_t)(width_of(one->format) * one->channels);
    uint16_t instants = 0;

    for (; bytes >= instant; instants++) { /* no division: Cortex-M0 has none */
        bytes = (uint16_t)(bytes - instant);
    }
    return instants;
}

static void put_little_endian(ek_writer *writer, const void *from, uint16_t count, uint8_t width)
{
    const uint8_t *at = (const uint8_t *)from;
    uint16_t half;
    uint32_t value;
    uint8_t bytes[4];
    uint8_t byte;

    for (; count != 0; count--, at += width) {
        if (width == 4) {
            memcpy(&value, at, sizeof value);
        } else if (width == 2) {
            memcpy(&half, at, sizeof half);
            value = half;
        } else {
            value = *at;
        }
        for (byte = 0; byte < width; byte++, value >>= 8) {
            bytes[byte] = (uint8_t)(value & 0xFFu);
        }
        ek_put_raw(writer, bytes, width);
    }
}

ek_status ek_link_send_batch(ek_link *link, const ek_batch *batch)
{
    const ek_device *device = link->setup->device;
    const ek_sensor *sensor;
    ek_writer writer;
    ek_status status;
    uint32_t bytes;
    uint16_t limit;
    uint8_t width;
    bool has_timing;

    if (batch == NULL || batch->sensor >= device->sensor_count || batch->samples == NULL ||
        batch->instants == 0) {
        return EK_ERR_ARGUMENT;
    }
    sensor = &device->sensors[batch->sensor];
    width = width_of(sensor->format);
    bytes = (uint32_t)batch->instants * sensor->channels * width;
    limit = ek_payload_limit(link);
    if (bytes + ARRAY_SENSOR_AND_TIME > limit) {
        return EK_ERR_TOO_LONG;
    }
    status = ek_may_send(link);
    if (status != EK_OK) {
        return status;
    }
    has_timing = batch->deltas_us != NULL || batch->period_ns != 0;
    ek_begin_frame(link, &writer);
    ek_put_array(&writer, has_timing ? 4 : 3);
    ek_put_uint(&writer, batch->sensor);
    ek_put_uint(&writer, batch->time_us);
    ek_put_bytes_head(&writer, (uint16_t)bytes);
    put_little_endian(&writer, batch->samples, (uint16_t)(batch->instants * sensor->channels), width);
    if (batch->deltas_us != NULL) {
        uint16_t deltas = (uint16_t)(batch->instants - 1u);
        ek_put_bytes_head(&writer, (uint16_t)(deltas * 4u));
        put_little_endian(&writer, batch->deltas_us, deltas, 4);
    } else if (has_timing) {
        ek_put_uint(&writer, batch->period_ns);
    }
    return ek_finish_frame(link, EK_DATA, &writer);
}

static ek_status send_of(ek_link *link, const ek_batch *batch, uint8_t format)
{
    const ek_device *device = link->setup->device;

    if (batch->sensor < device->sensor_count && device->sensors[batch->sensor].format != format) {
        return EK_ERR_ARGUMENT;
    }
    return ek_link_send_batch(link, batch);
}

ek_status ek_link_send_int16(ek_link *link, uint8_t sensor, uint32_t time_us, const int16_t *samples,
                             uint16_t instants)
{
    ek_batch batch = {samples, NULL, 0, time_us, instants, sensor};

    return send_of(link, &batch, EK_INT16);
}

ek_status ek_link_send_int32(ek_link *link, uint8_t sensor, uint32_t time_us, const int32_t *samples,
                             uint16_t instants)
{
    ek_batch batch = {samples, NULL, 0, time_us, instants, sensor};

    return send_of(link, &batch, EK_INT32);
}

static void put_prediction(ek_writer *writer, const ek_prediction *prediction)
{
    uint8_t has = prediction->has;
    uint8_t score;
    uint16_t pairs = 2;

    pairs = (uint16_t)(pairs + (prediction->score_count != 0) + ((has & EK_HAS_CLASS) != 0) +
                       ((has & EK_HAS_THRESHOLD) != 0) + ((has & EK_HAS_TOOK) != 0));
    ek_put_map(writer, pairs);
    put_number(writer, 0, prediction->model);
    put_number(writer, 1, prediction->time_us);
    if (prediction->score_count != 0) {
        ek_put_uint(writer, 2);
        if (prediction->score_count != 1) {
            ek_put_array(writer, prediction->score_count);
        }
        for (score = 0; score < prediction->score_count; score++) {
            ek_put_float(writer, prediction->scores[score]);
        }
    }
    if ((has & EK_HAS_CLASS) != 0) {
        put_number(writer, 3, prediction->class_number);
    }
    if ((has & EK_HAS_THRESHOLD) != 0) {
        put_real(writer, 4, prediction->threshold);
    }
    if ((has & EK_HAS_TOOK) != 0) {
        put_number(writer, 5, prediction->took_us);
    }
}

ek_status ek_link_send_prediction(ek_link *link, const ek_prediction *prediction, bool reliable)
{
    ek_writer writer;
    ek_status status;

    if (prediction == NULL || prediction->model >= link->setup->device->model_count ||
        prediction->score_count > EK_MAX_SCORES ||
        (prediction->score_count == 0 && (prediction->has & EK_HAS_CLASS) == 0)) {
        return EK_ERR_ARGUMENT;
    }
    status = reliable && link->hold_length != 0 ? EK_ERR_BUSY : ek_may_send(link);
    if (reliable && status == EK_ERR_BUSY && link->hold_length == 0) {
        status = EK_OK; /* it can wait in setup.hold while another frame leaves */
    }
    if (status != EK_OK) {
        return status;
    }
    if (!reliable) {
        ek_begin_frame(link, &writer);
        put_prediction(&writer, prediction);
        return ek_finish_frame(link, EK_PREDICTION, &writer);
    }
    ek_writer_init(&writer, link->setup->hold, link->setup->hold_size);
    put_prediction(&writer, prediction);
    if (!ek_writer_fits(&writer)) {
        return EK_ERR_TOO_LONG;
    }
    ek_hold(link, EK_PREDICTION, writer.total);
    ek_link_poll(link);
    return EK_OK;
}

ek_status ek_link_log(ek_link *link, ek_level level, const char *text)
{
    ek_writer writer;
    ek_status status;
    size_t length;
    uint16_t room = (uint16_t)(ek_payload_limit(link) - LONGEST_HEAD);

    if (text == NULL) {
        return EK_ERR_ARGUMENT;
    }
    status = ek_may_send(link);
    if (status != EK_OK) {
        return status;
    }
    if (room > EK_MAX_TEXT) {
        room = EK_MAX_TEXT;
    }
    length = strlen(text);
    if (length > room) {
        /* Not within a character of UTF-8. */
        for (length = room; length != 0 && ((uint8_t)text[length] & 0xC0u) == 0x80u; length--) {
        }
    }
    ek_begin_frame(link, &writer);
    ek_put_array(&writer, 3);
    ek_put_uint(&writer, (uint64_t)level);
    ek_put_uint(&writer, (uint32_t)link->setup->now_us(link->setup->context));
    ek_put_text_n(&writer, text, (uint16_t)length);
    return ek_finish_frame(link, EK_LOG, &writer);
}

void ek_hold_response(ek_link *link, uint16_t id, int16_t status, uint16_t length)
{
    uint8_t *hold = link->setup->hold;
    ek_writer writer;

    ek_writer_init(&writer, hold, EK_VALUE_AT);
    ek_put_array(&writer, length != 0 ? 3 : 2);
    ek_put_uint(&writer, id);
    ek_put_int(&writer, status);
    memmove(hold + writer.total, hold + EK_VALUE_AT, length);
    ek_hold(link, EK_RESPONSE, (uint16_t)(writer.total + length));
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
    if (length > setup->hold_size - EK_VALUE_AT) {
        return EK_ERR_TOO_LONG;
    }
    if (length != 0) {
        memmove(setup->hold + EK_VALUE_AT, value, length);
    }
    ek_hold_response(link, id, status, length);
    ek_link_poll(link);
    return EK_OK;
}

bool ek_command_is(const ek_command *command, const char *name)
{
    return strlen(name) == command->name_length && memcmp(name, command->name, command->name_length) == 0;
}
