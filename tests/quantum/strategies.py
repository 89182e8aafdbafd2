"""What hypothesis draws from: feature maps, and angles for them."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgekit.quantum.feature_map import ZZFeatureMap

feature_maps = st.builds(
    ZZFeatureMap,
    qubits=st.integers(1, 8),
    reps=st.integers(1, 4),
    entanglement=st.sampled_from(["full", "linear"]),
)


@st.composite
def maps_and_angles(draw, *, largest=50.0, rows=st.integers(1, 3)):
    """A feature map and float64 `[rows, qubits]` within `largest` of zero."""
    feature_map = draw(feature_maps)
    shape = (draw(rows), feature_map.qubits)
    return feature_map, draw(arrays(np.float64, shape, elements=st.floats(-largest, largest)))
