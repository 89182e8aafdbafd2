"""The rule that turns a picture of any size into the tensor a model takes."""

from typing import Annotated, Literal

import msgspec

Pixels = Annotated[int, msgspec.Meta(ge=1, le=16384)]
Fit = Literal["crop", "letterbox", "stretch"]
Layout = Literal["NHWC", "NCHW"]
ChannelOrder = Literal["RGB", "BGR", "GRAY"]


class PictureRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a decoded picture becomes the input tensor.

    Resizing and cropping are integer work on uint8 pixels and always the board's. `layout`,
    `channels`, `mean` and `std` are for a model that was packed as it is; a model that edgekit
    compiled has them in its graph and takes uint8 RGB `[1, height, width, 3]`.

    Attributes:
        height: rows of the tensor.
        width: columns of the tensor.
        fit: `crop` scales the shorter side to `resize_shorter` and cuts out the centre,
            `letterbox` scales to fit and pads, `stretch` ignores the aspect ratio.
        resize_shorter: for `crop`, the length the shorter side is scaled to; by default as
            small as the cut allows.
        layout: the order of the axes.
        channels: the order of the colours; `GRAY` is one channel of ITU-R BT.601 luma.
        mean: what is subtracted from each channel's 0-255 values.
        std: what each channel is then divided by.
        pad: the grey level of a letterbox's bars.
    """

    height: Pixels
    width: Pixels
    fit: Fit = "crop"
    resize_shorter: Pixels | None = None
    layout: Layout = "NHWC"
    channels: ChannelOrder = "RGB"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[Annotated[float, msgspec.Meta(gt=0)], ...] = (1.0,)
    pad: Annotated[int, msgspec.Meta(ge=0, le=255)] = 114

    def __post_init__(self) -> None:
        planes = self.planes
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, planes):
                raise ValueError(f"{name} needs 1 or {planes} values, it has {len(values)}")
        if self.resize_shorter is not None:
            if self.fit != "crop":
                raise ValueError(f"resize_shorter is for fit = crop, not {self.fit}")
            if self.resize_shorter < max(self.height, self.width):
                raise ValueError(
                    f"resize_shorter {self.resize_shorter} is smaller than the cut of "
                    f"{self.height} x {self.width}"
                )

    @property
    def planes(self) -> int:
        """How many channels the tensor has."""
        return 1 if self.channels == "GRAY" else 3

    @property
    def is_plain(self) -> bool:
        """Whether the tensor is the resized uint8 RGB picture itself."""
        return (
            self.layout == "NHWC"
            and self.channels == "RGB"
            and set(self.mean) == {0.0}
            and set(self.std) == {1.0}
        )

    def tensor_shape(self) -> tuple[int, int, int, int]:
        """The shape of the tensor, a batch of one."""
        if self.layout == "NHWC":
            return (1, self.height, self.width, self.planes)
        return (1, self.planes, self.height, self.width)
