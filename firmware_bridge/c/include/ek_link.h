/* The device's end of the bridge: session, heartbeat, clock, acknowledgements, and messages to and from the host.
 *
 * All memory is the caller's: one ek_link, and the buffers that its ek_setup names. Call ek_link_feed for each byte that
 * comes, and ek_link_poll as often as the main loop turns; both from one context, never from an interrupt. */
#ifndef EK_LINK_H
#define EK_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "ek_cbor.h"
#include "ek_frame.h"
#include "ek_status.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "samples are sent as they lie in memory, which has to be little-endian"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define EK_MAX_SENSORS 16
#define EK_MAX_CHANNELS 16
#define EK_MAX_MODELS 8
#define EK_MAX_SCORES 64
#define EK_MAX_NAME 32
#define EK_MAX_TEXT 256
#define EK_MAX_MESSAGE 16384
#define EK_MAX_PERIOD_NS (UINT64_C(1) << 42)

/* Bytes of setup.receive for frames of up to `frame` bytes; fails to compile outside 64 to 508. */
#define EK_RECEIVE_SIZE(frame) \
    ((frame) * sizeof(char[(frame) >= EK_MIN_FRAME && (frame) <= EK_MAX_FRAME ? 1 : -1]))
/* Bytes of setup.transmit for frames of up to `frame` bytes; fails to compile outside 64 to 508. */
#define EK_TRANSMIT_SIZE(frame) (EK_WIRE_SIZE(EK_RECEIVE_SIZE(frame)))

/* How a receiver answers a CONFIG. */
typedef enum ek_ack {
    EK_ACK_OK = 0,
    EK_ACK_BUSY = 1,    /* the host tries again a little later */
    EK_ACK_UNKNOWN = 2, /* no such sensor or setting */
    EK_ACK_REFUSED = 3, /* not a value that can be taken */
    EK_ACK_TOO_LONG = 4
} ek_ack;

typedef enum ek_format {
    EK_INT8 = 0,
    EK_INT16 = 1,
    EK_INT32 = 2,
    EK_UINT8 = 3,
    EK_UINT16 = 4,
    EK_UINT32 = 5
} ek_format;

typedef struct ek_sensor {
    const char *name; /* 1 to 32 bytes */
    const char *unit; /* up to 16 bytes */
    uint64_t period_ns; /* between two instants; 0: irregular, or off */
    float scale;        /* a sample stands for sample * scale + offset, in `unit` */
    float offset;
    uint8_t format;   /* ek_format */
    uint8_t channels; /* 1 to 16 */
} ek_sensor;

typedef struct ek_model {
    const char *name;      /* 1 to 32 bytes */
    const uint8_t *digest; /* the first bytes of the SHA-256 of its file */
    uint8_t digest_size;   /* 4 to 32 */
    uint8_t sensor;        /* that it reads */
} ek_model;

typedef struct ek_device {
    const char *name;     /* of this very device: 1 to 32 of A-Z a-z 0-9 . _ - */
    const char *firmware; /* 1 to 32 bytes */
    const char *version;  /* of the firmware, up to 16 bytes */
    const ek_sensor *sensors;
    const ek_model *models;
    uint8_t sensor_count; /* up to 16 */
    uint8_t model_count;  /* up to 8 */
} ek_device;

/* A COMMAND, while it is carried out. */
typedef struct ek_command {
    const char *name; /* no NUL at its end */
    uint16_t name_length;
    uint16_t id;
    ek_reader argument; /* one item, or nothing */
    ek_writer value;    /* put one item here, or nothing */
} ek_command;

/* A command's status may be -32768 to 32767, or this: it has begun, and ek_link_respond will tell how it went. */
#define EK_LATER INT32_C(0x10000)
/* The status the library sends by itself where the value did not fit into setup.hold. */
#define EK_VALUE_TOO_LONG (-32768)

struct ek_link;

/* Takes CONFIG and COMMAND: for ek_setup.requests. Not linked where nobody names it. */
ek_ack ek_requests(struct ek_link *link, const ek_frame *frame);

/* What does not change while a link runs: may lie in flash. Functions that are not needed may be null, but for the first two.
 * set_period, set_value, command and gave_up are called from within ek_link_feed or ek_link_poll, and must not send. */
typedef struct ek_setup {
    void *context; /* handed to each function below */
    /* Takes up to `count` bytes for the line and returns how many it took; 0 where it has no room. Should not wait. */
    uint16_t (*write)(void *context, const uint8_t *bytes, uint16_t count);
    /* Microseconds since boot. */
    uint64_t (*now_us)(void *context);

    /* &ek_requests, or null: then a host's CONFIG and COMMAND are answered with "unknown", and the three below are not called. */
    ek_ack (*requests)(struct ek_link *link, const ek_frame *frame);
    ek_ack (*set_period)(void *context, uint8_t sensor, uint64_t period_ns);
    /* `value` holds one item: a bool, number or text; refuse others. */
    ek_ack (*set_value)(void *context, const char *name, uint16_t name_length, ek_reader *value);
    int32_t (*command)(void *context, ek_command *command);
    void (*gave_up)(void *context, ek_type type); /* a reliable message was not delivered */

    const ek_device *device;
    uint8_t *receive;  /* EK_RECEIVE_SIZE(...) bytes: the longest frame that the host may send */
    uint8_t *transmit; /* EK_TRANSMIT_SIZE(...) bytes: the longest frame that is sent */
    uint8_t *hold;     /* the reliable message under way; 24 bytes at least */
    uint8_t *message;  /* CONFIG and COMMAND longer than a frame are gathered here; null: not taken, nor one shorter than a frame */
    uint16_t receive_size;
    uint16_t transmit_size;
    uint16_t hold_size;
    uint16_t message_size;
    uint32_t first_wait_ms; /* for an acknowledgement; 0: 250, which suits 115200 baud and more */
} ek_setup;

/* Counters that HEARTBEAT carries, in its order. They wrap. */
typedef enum ek_counter {
    EK_RX_FRAMES,
    EK_RX_ERRORS,
    EK_RX_DROPPED,
    EK_TX_FRAMES,
    EK_TX_DROPPED, /* add to it what the application drops because the link is busy */
    EK_TX_REPEATS,
    EK_RX_HIGH_WATER, /* most bytes that setup.receive ever held */
    EK_COUNTERS
} ek_counter;

/* The state of a link. `counters` may be read and added to; the rest is the library's. */
typedef struct ek_link {
    uint8_t due; /* small ones first: Cortex-M0 reaches those with a short instruction only near the front */
    uint8_t state;
    uint8_t hold_type;
    uint8_t hold_sent;
    uint8_t message_type;
    uint8_t ack_status;
    uint16_t ack_seq;
    uint16_t peer_frame;
    uint16_t tx_length;
    uint16_t tx_at;
    uint16_t seq;
    uint16_t hello_at;
    uint16_t hold_length;
    uint16_t hold_at;
    uint16_t hold_chunk;
    uint16_t hold_seq;
    uint16_t last_seq;
    uint16_t message_used;
    const ek_setup *setup;
    uint32_t nonce;
    uint32_t peer;
    uint32_t heard_at_us;
    uint32_t beat_at_us;
    uint32_t hold_left_us;
    ek_decoder decoder;
    uint32_t counters[EK_COUNTERS];
    uint64_t hello_us;
    uint64_t asked_us;
    uint64_t question_us;
    int64_t epoch_offset_us;
} ek_link;

EK_STATIC_ASSERT(sizeof(ek_link) <= 168, a_link_is_small);

/* Starts a link. `nonce` is not 0 and not the one of the last boot: random, or counted in flash. */
ek_status ek_link_init(ek_link *link, const ek_setup *setup, uint32_t nonce);
/* Takes one byte from the line. */
void ek_link_feed(ek_link *link, uint8_t byte);
/* Sends what is due. Call it at least every few milliseconds, and after bytes came. */
void ek_link_poll(ek_link *link);
/* Whether a host listens: only then anything but HELLO is sent. */
bool ek_link_is_open(const ek_link *link);
/* Says HELLO again: call it when the device's sensors or models have changed. */
void ek_link_announce(ek_link *link);
/* The time of day in microseconds since 1970, as the host sees it; false until the host has said. */
bool ek_link_epoch_us(const ek_link *link, uint64_t *epoch_us);

/* Samples of one sensor; channels interleaved. */
typedef struct ek_batch {
    const void *samples;       /* int16_t for EK_INT16, and so on */
    const uint32_t *deltas_us; /* instants - 1 of them, for irregular sensors; null: evenly spaced */
    uint64_t period_ns;        /* of this batch alone; 0: the sensor's */
    uint32_t time_us;          /* of the first instant: the low 32 bits of now_us */
    uint16_t instants;         /* each has a sample per channel */
    uint8_t sensor;
    uint8_t format; /* ek_format of `samples`: has to be the sensor's */
} ek_batch;

/* Instants of a sensor that fit into one frame, evenly spaced; 0 where there is no such sensor. */
uint16_t ek_link_room(const ek_link *link, uint8_t sensor);
/* The samples are copied. All of these: EK_ERR_BUSY while the frame before is still leaving. */
ek_status ek_link_send_batch(ek_link *link, const ek_batch *batch);

static inline ek_status ek_link_send_int16(ek_link *link, uint8_t sensor, uint32_t time_us,
                                           const int16_t *samples, uint16_t instants)
{
    const ek_batch batch = {samples, 0, 0, time_us, instants, sensor, EK_INT16};

    return ek_link_send_batch(link, &batch);
}

static inline ek_status ek_link_send_int32(ek_link *link, uint8_t sensor, uint32_t time_us,
                                           const int32_t *samples, uint16_t instants)
{
    const ek_batch batch = {samples, 0, 0, time_us, instants, sensor, EK_INT32};

    return ek_link_send_batch(link, &batch);
}

enum { EK_HAS_CLASS = 1, EK_HAS_THRESHOLD = 2, EK_HAS_TOOK = 4 };

typedef struct ek_prediction {
    const float *scores;
    uint32_t time_us; /* of the newest sample the model saw: the low 32 bits of now_us */
    uint32_t took_us;
    float threshold;
    uint16_t class_number;
    uint8_t score_count; /* 0 to 64; at least one score, or a class */
    uint8_t model;
    uint8_t has; /* which of the others are there: EK_HAS_... */
} ek_prediction;

/* A reliable one is repeated until the host has it; EK_ERR_BUSY while another reliable message is under way. */
ek_status ek_link_send_prediction(ek_link *link, const ek_prediction *prediction, bool reliable);

typedef enum ek_level { EK_DEBUG = 0, EK_INFO = 1, EK_WARNING = 2, EK_ERROR = 3 } ek_level;

/* A line of UTF-8; what does not fit is cut off. */
ek_status ek_link_log(ek_link *link, ek_level level, const char *text);
/* Answers a command that returned EK_LATER. `value` is one CBOR item, or null with `length` 0. */
ek_status ek_link_respond(ek_link *link, uint16_t id, int16_t status, const uint8_t *value,
                          uint16_t length);
/* Whether the command has this name. */
bool ek_command_is(const ek_command *command, const char *name);

#ifdef __cplusplus
}
#endif
#endif
