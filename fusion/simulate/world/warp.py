"""From the plan to the ground: a gentle bend of the whole plan makes straight streets curve and junctions meet at odd angles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Warp:
    """xy = offset + R(yaw) M (u + a sin(v / la + pa), v + b sin(u / lb + pb)), M mirrors v where traffic keeps left."""

    yaw_rad: float
    mirror: bool
    bend_m: tuple[float, float]
    length_m: tuple[float, float]
    phase_rad: tuple[float, float]
    offset_xy: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def random(cls, rng: np.random.Generator) -> Warp:
        """A warp whose streets turn by up to 25 degrees and have radii above 100 m."""
        length = rng.uniform(38, 75, 2)
        slope = np.array([rng.uniform(0.0, 0.1), rng.uniform(0.0, 0.42) * (rng.random() < 0.6)])
        bend = np.minimum(slope * length, length ** 2 / 100)
        return cls(yaw_rad=float(rng.uniform(-np.pi, np.pi)), mirror=bool(rng.random() < 0.4), bend_m=(float(bend[0]), float(bend[1])),
                   length_m=(float(length[0]), float(length[1])), phase_rad=(float(rng.uniform(0, 6.283)), float(rng.uniform(0, 6.283))))

    def shifted(self, offset_xy: tuple[float, float]) -> Warp:
        """The same bend at another place."""
        return replace(self, offset_xy=offset_xy)

    def xy(self, uv: np.ndarray) -> np.ndarray:
        """`(..., 2)` plan coordinates -> global x, y."""
        uv = np.asarray(uv, np.float64)
        u, v = uv[..., 0], uv[..., 1]
        p = u + self.bend_m[0] * np.sin(v / self.length_m[0] + self.phase_rad[0])
        q = v + self.bend_m[1] * np.sin(u / self.length_m[1] + self.phase_rad[1])
        placed: np.ndarray = self._turn(p, q) + np.array(self.offset_xy)
        return placed

    def direction(self, uv: np.ndarray, along: np.ndarray) -> np.ndarray:
        """`(..., 2)` unit vectors on the ground of plan directions `along` at `uv`."""
        uv, along = np.broadcast_arrays(np.asarray(uv, np.float64), np.asarray(along, np.float64))
        u, v, du, dv = uv[..., 0], uv[..., 1], along[..., 0], along[..., 1]
        dp = du + dv * self.bend_m[0] / self.length_m[0] * np.cos(v / self.length_m[0] + self.phase_rad[0])
        dq = dv + du * self.bend_m[1] / self.length_m[1] * np.cos(u / self.length_m[1] + self.phase_rad[1])
        out = self._turn(dp, dq)
        unit: np.ndarray = out / np.linalg.norm(out, axis=-1, keepdims=True)
        return unit

    def yaw(self, uv: np.ndarray, along: np.ndarray) -> np.ndarray:
        """`(...)` heading on the ground of a plan direction, radians."""
        out = self.direction(uv, along)
        heading: np.ndarray = np.arctan2(out[..., 1], out[..., 0])
        return heading

    def _turn(self, p: np.ndarray, q: np.ndarray) -> np.ndarray:
        q = -q if self.mirror else q
        cos, sin = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        return np.stack([cos * p - sin * q, sin * p + cos * q], axis=-1)
