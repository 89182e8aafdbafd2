"""What a model learns from: arrays, folders of pictures, windows of sensor rows."""
