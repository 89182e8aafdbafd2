// Three analog inputs at 200 Hz over the board's USB serial port, on any Arduino with 4 kB of RAM or more.
//
// Put what is in firmware_bridge/c/src and firmware_bridge/c/include into a folder `EdgekitBridge/src` below your
// `libraries`, beside a library.properties of one line, `name=EdgekitBridge`. The board's settings then have
// `port = "/dev/serial/by-id/usb-Arduino_*"`.
#include <ek_link.h>

static const uint32_t PERIOD_US = 5000;
static const uint16_t BATCH = 20;

static const ek_sensor sensors[] = {{"accel", "V", PERIOD_US * UINT64_C(1000), 5.0f / 1024, 0, EK_INT16, 3}};
static const ek_device device = {"arduino", "bridge-sensor", "1.0.0", sensors, 0, 1, 0};
static uint8_t receive[EK_RECEIVE_SIZE(128)], transmit[EK_TRANSMIT_SIZE(256)], hold[64];
static ek_setup setup_of_link;
static ek_link host;

static int16_t samples[3 * BATCH];
static uint16_t count;
static uint64_t due_us;
static uint32_t first_us;

static uint16_t write_line(void *, const uint8_t *bytes, uint16_t wanted)
{
    const uint16_t room = (uint16_t)Serial.availableForWrite();

    return (uint16_t)Serial.write(bytes, wanted < room ? wanted : room);
}

// micros() starts again after 71 minutes; this does not.
static uint64_t clock_us(void *)
{
    static uint32_t low, high;
    const uint32_t now = micros();

    high += now < low;
    low = now;
    return (uint64_t)high << 32 | now;
}

static int32_t command(void *, ek_command *asked)
{
    bool is_on = false;

    if (!ek_command_is(asked, "lamp") || !ek_get_bool(&asked->argument, &is_on)) {
        return -1;
    }
    digitalWrite(LED_BUILTIN, is_on ? HIGH : LOW);
    return 0;
}

void setup()
{
    uint32_t noise = micros();

    Serial.begin(115200);
    pinMode(LED_BUILTIN, OUTPUT);
    for (uint8_t at = 0; at < 32; at++) { // the lowest bits of an open input are as good a seed as any
        noise = (noise << 1 | noise >> 31) ^ (uint32_t)analogRead(A3);
    }
    setup_of_link.write = write_line;
    setup_of_link.now_us = clock_us;
    setup_of_link.requests = ek_requests;
    setup_of_link.command = command;
    setup_of_link.device = &device;
    setup_of_link.receive = receive;
    setup_of_link.receive_size = sizeof receive;
    setup_of_link.transmit = transmit;
    setup_of_link.transmit_size = sizeof transmit;
    setup_of_link.hold = hold;
    setup_of_link.hold_size = sizeof hold;
    ek_link_init(&host, &setup_of_link, noise | 1);
    due_us = clock_us(0);
}

void loop()
{
    while (Serial.available() > 0) {
        ek_link_feed(&host, (uint8_t)Serial.read());
    }
    ek_link_poll(&host);
    if (count < BATCH && clock_us(0) >= due_us) {
        if (count == 0) {
            first_us = (uint32_t)due_us;
        }
        for (uint8_t axis = 0; axis < 3; axis++) {
            samples[3 * count + axis] = (int16_t)analogRead((uint8_t)(A0 + axis));
        }
        count++;
        due_us += PERIOD_US;
    }
    if (count == BATCH && ek_link_send_int16(&host, 0, first_us, samples, BATCH) != EK_ERR_BUSY) {
        count = 0; // sent, or nobody listens
    }
}
