"""A shape on its way, before the ground below it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.shapes.shape import Shape

WARM_S = 10.0
"""Traffic runs so long before the scene begins: queues have formed by then."""


@dataclass(frozen=True, kw_only=True)
class Mover:
    """Attributes: `times_s` `(T,)` from the start of the scene; `poses` `(T, 3)` x, y, yaw of its centre; members of one `group` belong together."""

    shape: Shape
    times_s: np.ndarray
    poses: np.ndarray
    group: int
