"""The one name for a NumPy array whose dtype and shape a docstring tells."""

from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
