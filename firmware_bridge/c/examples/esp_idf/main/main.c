/* The bridge on ESP-IDF 5: one of its tasks has UART 1 for itself, and sends what `measure` gives each 10 ms.
 *
 * For scores in place of samples add the files of `edgekit export c` and send what they give with
 * ek_link_send_prediction, as ../../mps2/main.c does. */
#include <driver/uart.h>
#include <esp_random.h>
#include <esp_timer.h>
#include <freertos/FreeRTOS.h>
#include <freertos/task.h>

#include "ek_link.h"

enum { PERIOD_US = 10000, BATCH = 20, TX_PIN = 17, RX_PIN = 18, RING = 1024, STACK = 4096, PRIORITY = 5 };

static ek_link host;

static uint16_t write_line(void *context, const uint8_t *bytes, uint16_t count)
{
    size_t room = 0;
    int taken;

    (void)context;
    if (uart_get_tx_buffer_free_size(UART_NUM_1, &room) != ESP_OK) {
        return 0;
    }
    taken = uart_write_bytes(UART_NUM_1, bytes, count < room ? count : room); /* does not wait: it fits */
    return taken > 0 ? (uint16_t)taken : 0;
}

static uint64_t clock_us(void *context)
{
    (void)context;
    return (uint64_t)esp_timer_get_time();
}

/* Yours: what your sensor says. */
static int16_t measure(void)
{
    return (int16_t)(esp_random() & 0x3FF);
}

static void bridge(void *context)
{
    static const ek_sensor sensors[] = {{"accel", "m/s2", PERIOD_US * UINT64_C(1000), 0.01f, 0, EK_INT16, 1}};
    static const ek_device device = {"esp32", "bridge-sensor", "1.0.0", sensors, 0, 1, 0};
    static uint8_t receive[EK_RECEIVE_SIZE(508)], transmit[EK_TRANSMIT_SIZE(508)], hold[64];
    static const ek_setup setup = {.write = write_line, .now_us = clock_us, .device = &device,
        .receive = receive, .receive_size = sizeof receive, .transmit = transmit,
        .transmit_size = sizeof transmit, .hold = hold, .hold_size = sizeof hold};
    static int16_t samples[BATCH];
    uint16_t count = 0;
    uint32_t first_us = 0;
    uint64_t due_us = clock_us(NULL);
    uint8_t bytes[64];

    (void)context;
    ek_link_init(&host, &setup, esp_random() | 1u);
    for (;;) {
        int number = uart_read_bytes(UART_NUM_1, bytes, sizeof bytes, 1); /* waits for a tick at most */
        for (int at = 0; at < number; at++) {
            ek_link_feed(&host, bytes[at]);
        }
        ek_link_poll(&host);
        if (count < BATCH && clock_us(NULL) >= due_us) {
            first_us = count == 0 ? (uint32_t)due_us : first_us;
            samples[count++] = measure();
            due_us += PERIOD_US;
        }
        if (count == BATCH && ek_link_send_int16(&host, 0, first_us, samples, BATCH) != EK_ERR_BUSY) {
            count = 0; /* sent, or nobody listens */
        }
    }
}

void app_main(void)
{
    static const uart_config_t line = {.baud_rate = 115200, .data_bits = UART_DATA_8_BITS,
        .parity = UART_PARITY_DISABLE, .stop_bits = UART_STOP_BITS_1, .flow_ctrl = UART_HW_FLOWCTRL_DISABLE};

    ESP_ERROR_CHECK(uart_driver_install(UART_NUM_1, RING, RING, 0, NULL, 0));
    ESP_ERROR_CHECK(uart_param_config(UART_NUM_1, &line));
    ESP_ERROR_CHECK(uart_set_pin(UART_NUM_1, TX_PIN, RX_PIN, UART_PIN_NO_CHANGE, UART_PIN_NO_CHANGE));
    xTaskCreate(bridge, "bridge", STACK, NULL, PRIORITY, NULL);
}
