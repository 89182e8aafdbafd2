"""MQTT: topics, payloads and the link to the broker."""
