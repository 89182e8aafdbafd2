// What the sketch calls of Arduino's core, as its reference has it; for machines without the core.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { LOW, HIGH };
enum { INPUT, OUTPUT };
static const uint8_t LED_BUILTIN = 13, A0 = 54, A3 = 57;
unsigned long micros();
void pinMode(uint8_t pin, uint8_t mode);
void digitalWrite(uint8_t pin, uint8_t value);
int analogRead(uint8_t pin);

struct HardwareSerial {
    void begin(unsigned long baud);
    int available();
    int availableForWrite();
    int read();
    size_t write(const uint8_t *bytes, size_t count);
};
extern HardwareSerial Serial;
