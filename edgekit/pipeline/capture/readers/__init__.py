"""What reads pictures inside the capture child, one kind of source a file."""

from collections.abc import Mapping

READERS: Mapping[str, str] = {
    "video": "edgekit.pipeline.capture.readers.video:VideoReader",
    "images": "edgekit.pipeline.capture.readers.images:ImagesReader",
    "camera": "edgekit.pipeline.capture.readers.camera:CameraReader",
    "rtsp": "edgekit.pipeline.capture.readers.rtsp:RtspReader",
    "picamera2": "edgekit.pipeline.capture.readers.picamera2:Picamera2Reader",
    "rpicam": "edgekit.pipeline.capture.readers.rpicam:RpicamReader",
    "shm": "edgekit.pipeline.capture.readers.shm:ShmReader",
}
"""From the kind of a source to the class that reads it, imported on first use."""
