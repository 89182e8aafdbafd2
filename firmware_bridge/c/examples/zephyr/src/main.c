/* The bridge on Zephyr: any accelerometer of its sensor API, at 100 Hz over the console's UART.
 *
 * The accelerometer is the devicetree's alias `accel0`. For scores in place of samples add the files of `edgekit export c`
 * and send what they give with ek_link_send_prediction, as ../mps2/main.c does. */
#include <zephyr/device.h>
#include <zephyr/drivers/sensor.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>
#include <zephyr/random/random.h>
#include <zephyr/sys/ring_buffer.h>

#include "ek_link.h"

enum { PERIOD_MS = 10, BATCH = 20, AXES = 3, UNITS = 1000 };

static const struct device *const uart = DEVICE_DT_GET(DT_CHOSEN(zephyr_console));
static const struct device *const accelerometer = DEVICE_DT_GET(DT_ALIAS(accel0));
RING_BUF_DECLARE(received, 512);
RING_BUF_DECLARE(leaving, 1024);
static ek_link host;

static void on_uart(const struct device *its, void *data)
{
    uint8_t bytes[32];
    uint8_t *from;
    uint32_t count;
    int number;

    (void)data;
    while (uart_irq_update(its) && uart_irq_is_pending(its)) {
        if (uart_irq_rx_ready(its)) {
            number = uart_fifo_read(its, bytes, sizeof bytes);
            if (number > 0) {
                ring_buf_put(&received, bytes, (uint32_t)number);
            }
        }
        if (uart_irq_tx_ready(its)) {
            count = ring_buf_get_claim(&leaving, &from, 32);
            if (count == 0) {
                uart_irq_tx_disable(its);
                break;
            }
            number = uart_fifo_fill(its, from, (int)count);
            ring_buf_get_finish(&leaving, number > 0 ? (uint32_t)number : 0);
        }
    }
}

static uint16_t write_line(void *context, const uint8_t *bytes, uint16_t count)
{
    uint16_t taken;

    (void)context;
    uart_irq_tx_disable(uart); /* its ring has one reader and one writer, never at once */
    taken = (uint16_t)ring_buf_put(&leaving, bytes, count);
    uart_irq_tx_enable(uart);
    return taken;
}

static uint64_t clock_us(void *context)
{
    (void)context;
    return k_ticks_to_us_floor64((uint64_t)k_uptime_ticks());
}

static int16_t thousandths(const struct sensor_value *value)
{
    return (int16_t)(value->val1 * UNITS + value->val2 / (1000000 / UNITS));
}

int main(void)
{
    static const ek_sensor sensors[] = {
        {"accel", "m/s2", PERIOD_MS * UINT64_C(1000000), 1.0f / UNITS, 0, EK_INT16, AXES}};
    static const ek_device device = {"zephyr", "bridge-sensor", "1.0.0", sensors, 0, 1, 0};
    static uint8_t receive[EK_RECEIVE_SIZE(508)], transmit[EK_TRANSMIT_SIZE(508)], hold[64];
    static const ek_setup setup = {.write = write_line, .now_us = clock_us, .device = &device,
        .receive = receive, .receive_size = sizeof receive, .transmit = transmit,
        .transmit_size = sizeof transmit, .hold = hold, .hold_size = sizeof hold};
    int16_t samples[AXES * BATCH];
    struct sensor_value values[AXES];
    uint16_t count = 0;
    uint32_t first_us = 0;
    uint64_t due_us = clock_us(NULL);
    uint8_t byte;

    ek_link_init(&host, &setup, sys_rand32_get() | 1u);
    uart_irq_callback_user_data_set(uart, on_uart, NULL);
    uart_irq_rx_enable(uart);
    for (;;) {
        while (ring_buf_get(&received, &byte, 1) == 1) {
            ek_link_feed(&host, byte);
        }
        ek_link_poll(&host);
        if (count < BATCH && clock_us(NULL) >= due_us && sensor_sample_fetch(accelerometer) == 0 &&
            sensor_channel_get(accelerometer, SENSOR_CHAN_ACCEL_XYZ, values) == 0) {
            first_us = count == 0 ? (uint32_t)due_us : first_us;
            for (int axis = 0; axis < AXES; axis++) {
                samples[AXES * count + axis] = thousandths(&values[axis]);
            }
            count++;
            due_us += PERIOD_MS * 1000u;
        }
        if (count == BATCH && ek_link_send_int16(&host, 0, first_us, samples, BATCH) != EK_ERR_BUSY) {
            count = 0; /* sent, or nobody listens */
        }
        k_msleep(1);
    }
    return 0;
}
