"""The view from above: points that get paler with height, range rings, the ego vehicle, boxes with their headings, ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fusion.geometry.boxes import box_corners
from fusion.geometry.projection import ref_T_lidar
from fusion.geometry.transforms import transform_points
from fusion.types import Detections, GroundTruth, SensorSet
from fusion.viz.draw_boxes import TRUTH_COLOR, class_color, dim, draw_line

BACKGROUND = (16, 18, 23)
RING = (52, 57, 66)
TEXT = (150, 158, 170)
_LOW, _HIGH = np.array([58.0, 92, 128]), np.array([226.0, 236, 248])


@dataclass(frozen=True, kw_only=True)
class BevView:
    """A square window around the ego vehicle, forward up, left on the left.

    Attributes:
        size_px: edge of the picture.
        range_m: distance from the ego to the edge.
    """

    size_px: int = 630
    range_m: float = 52.0

    @property
    def px_per_m(self) -> float:
        """Scale."""
        return self.size_px / (2 * self.range_m)

    def pixels(self, xy_m: np.ndarray) -> np.ndarray:
        """`(..., 2)` ego metres -> `(..., 2)` pixels u right, v down."""
        return self.size_px / 2 - 0.5 - np.asarray(xy_m, np.float64)[..., ::-1] * self.px_per_m


def draw_bev(sensor_set: SensorSet, detections: Detections | None, truth: GroundTruth | None, view: BevView | None = None) -> np.ndarray:
    """Draw one instant from above.

    Args:
        sensor_set: its points are drawn where the LiDAR is present.
        detections: boxes in the ego frame, or None.
        truth: annotations in the ego frame, or None.
        view: the window.

    Returns:
        `(size, size, 3)` uint8 RGB.
    """
    view = view or BevView()
    image = np.full((view.size_px, view.size_px, 3), BACKGROUND, np.uint8)
    _draw_rings(image, view)
    _draw_points(image, sensor_set, view)
    _draw_ego(image, view)
    if truth is not None:
        for corners in box_corners(truth.boxes)[:, :4, :2]:
            _draw_outline(image, view.pixels(corners), TRUTH_COLOR, 1, 4.0)
    if detections is not None:
        for index in np.argsort(detections.scores, kind="stable"):
            color = dim(class_color(detections.classes[detections.labels[index]]), float(detections.scores[index]))
            corners = box_corners(detections.boxes[index:index + 1])[0, :4, :2]
            _draw_outline(image, view.pixels(corners), color, 2, 0.0)
            centre, front = detections.boxes[index, :2], corners[[0, 3]].mean(axis=0)
            draw_line(image, view.pixels(centre), view.pixels(centre + 1.25 * (front - centre)), color, 2)
    if sensor_set.lidar is None:
        put_text(image, f"{sensor_set.lidar_name}: no points", (12, view.size_px - 14), TEXT)
    return image


def put_text(image: np.ndarray, text: str, position: tuple[int, int], color: tuple[int, int, int], scale: float = 0.45) -> int:
    """Write one line in place, baseline start at `position`; returns its width in pixels."""
    cv2.putText(image, text, position, cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA)
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0])


def _draw_rings(image: np.ndarray, view: BevView) -> None:
    centre = tuple(int(v) for v in np.round(view.pixels(np.zeros(2))))
    for radius in range(10, int(view.range_m * 1.5), 10):
        major = radius % 20 == 0
        cv2.circle(image, centre, round(radius * view.px_per_m), RING if major else (33, 37, 44), 1, cv2.LINE_AA)
        if major and radius < view.range_m:
            u, v = view.pixels(np.array([radius * 0.7071, -radius * 0.7071]))
            put_text(image, f"{radius} m", (int(u) + 3, int(v) - 3), TEXT, 0.38)


def _draw_points(image: np.ndarray, sensor_set: SensorSet, view: BevView) -> None:
    if sensor_set.lidar is None:
        return
    points = sensor_set.lidar.points
    xyz = transform_points(ref_T_lidar(sensor_set), points[:, :3])
    uv = np.round(view.pixels(xyz[:, :2])).astype(np.int64)
    inside = ((uv >= 0) & (uv < view.size_px)).all(axis=1)
    uv, xyz, points = uv[inside], xyz[inside], points[inside]
    level = np.clip((xyz[:, 2] + 1.0) / 4.5, 0, 1)
    # one hue, so that points never look like a class colour
    colors = _LOW + (_HIGH - _LOW) * level[:, None]
    bright = (0.75 + 0.5 * np.sqrt(np.clip(points[:, 3], 0, 1))) / (1 + 2 * points[:, 4])
    order = np.argsort(xyz[:, 2], kind="stable")  # the highest point of a pixel stays on top
    image[uv[order, 1], uv[order, 0]] = np.minimum(colors * bright[:, None], 255)[order].astype(np.uint8)


def _draw_ego(image: np.ndarray, view: BevView) -> None:
    body = np.array([[3.2, 0.75], [3.6, 0], [3.2, -0.75], [2.6, -0.9], [-0.9, -0.9], [-0.9, 0.9], [2.6, 0.9]])
    outline = np.round(view.pixels(body)).astype(np.int32)
    cv2.fillPoly(image, [outline], (86, 96, 112), cv2.LINE_AA)
    cv2.polylines(image, [outline], True, (190, 200, 214), 1, cv2.LINE_AA)


def _draw_outline(image: np.ndarray, pixels: np.ndarray, color: tuple[int, int, int], thickness: int, dash_px: float) -> None:
    for index in range(4):
        draw_line(image, pixels[index], pixels[(index + 1) % 4], color, thickness, dash_px)
