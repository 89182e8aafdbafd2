/* The payloads that a device sends, apart from those of the link itself. */
#include <string.h>

#include "ek_internal.h"
#include "ek_link.h"

enum { LONGEST_HEAD = 10 };

static void put_number(ek_writer *writer, uint8_t key, uint32_t value)
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
    ek_put_uint(writer, 2);
    ek_put_uint64(writer, sensor->period_ns);
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
    uint32_t longest = setup->receive_size - EK_OVERHEAD;
    uint8_t number;

    if (setup->message_size > longest) {
        longest = setup->message_size;
    }

    ek_put_map(writer, 12);
    put_number(writer, 0, EK_VERSION);
    put_number(writer, 1, link->nonce);
    put_number(writer, 2, link->peer);
    ek_put_uint(writer, 3);
    ek_put_bool(writer, ek_link_is_open(link));
    put_number(writer, 4, setup->receive_size);
    put_number(writer, 5, longest);
    ek_put_uint(writer, 6);
    ek_put_uint64(writer, link->hello_us);
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
    return (uint8_t)(1u << (format >= EK_UINT8 ? format - EK_UINT8 : format));
}

uint16_t ek_link_room(const ek_link *link, uint8_t sensor)
{
    const ek_device *device = link->setup->device;
    const ek_sensor *one;
    uint16_t bytes = (uint16_t)(ek_payload_limit(link) - LONGEST_HEAD);
    uint16_t instants = 0;
    uint8_t instant;

    if (sensor >= device->sensor_count) {
        return 0;
    }
    one = &device->sensors[sensor];
    instant = (uint8_t)(width_of(one->format) * one->channels);
    for (; bytes >= instant; instants++) { /* no division: Cortex-M0 has none */
        bytes = (uint16_t)(bytes - instant);
    }
    return instants;
}

ek_status ek_link_send_batch(ek_link *link, const ek_batch *batch)
{
    const ek_device *device = link->setup->device;
    const ek_sensor *sensor;
    ek_writer writer;
    ek_status status;
    uint32_t bytes;
    bool has_timing;

    if (batch == NULL || batch->sensor >= device->sensor_count || batch->samples == NULL ||
        batch->instants == 0 || batch->format != device->sensors[batch->sensor].format) {
        return EK_ERR_ARGUMENT;
    }
    sensor = &device->sensors[batch->sensor];
    bytes = (uint32_t)batch->instants * sensor->channels * width_of(sensor->format);
    if (bytes >= ek_payload_limit(link)) {
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
    ek_put_bytes(&writer, (const uint8_t *)batch->samples, (uint16_t)bytes);
    if (batch->deltas_us != NULL) {
        ek_put_bytes(&writer, (const uint8_t *)batch->deltas_us, (uint16_t)((batch->instants - 1u) * 4u));
    } else if (has_timing) {
        ek_put_uint64(&writer, batch->period_ns);
    }
    return ek_finish_frame(link, EK_DATA, &writer);
}

static void put_prediction(ek_writer *writer, const ek_prediction *prediction)
{
    uint8_t has = prediction->has;
    uint8_t score;
    uint16_t pairs = prediction->score_count != 0 ? 3 : 2;

    pairs = (uint16_t)(pairs + (has & 1u) + (has >> 1 & 1u) + (has >> 2 & 1u));
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
    if (status != EK_OK) {
        return status;
    }
    ek_begin_frame(link, &writer);
    if (reliable) {
        ek_writer_init(&writer, link->setup->hold, link->setup->hold_size);
    }
    put_prediction(&writer, prediction);
    if (!reliable) {
        return ek_finish_frame(link, EK_PREDICTION, &writer);
    }
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
    ek_put_uint(&writer, (uint32_t)level);
    ek_put_uint(&writer, (uint32_t)ek_now(link));
    ek_put_text_n(&writer, text, (uint16_t)length);
    return ek_finish_frame(link, EK_LOG, &writer);
}
