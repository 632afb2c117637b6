"""Boxes on images: class colours, wire frames clipped at the camera's near plane, dashed lines."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from fusion.geometry.boxes import box_corners
from fusion.geometry.projection import project
from fusion.geometry.transforms import transform_points

Color = tuple[int, int, int]

CLASS_COLORS: dict[str, Color] = {
    "car": (77, 171, 247), "truck": (255, 146, 43), "bus": (255, 107, 107), "trailer": (204, 93, 232),
    "construction_vehicle": (201, 142, 74), "pedestrian": (105, 219, 124), "motorcycle": (255, 224, 80), "bicycle": (32, 214, 190),
    "traffic_cone": (255, 120, 190), "barrier": (160, 172, 190),
}
"""RGB of nuScenes' classes."""

TRUTH_COLOR: Color = (245, 245, 245)
NEAR_M = 0.1
_EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
_FRONT = (0, 3, 7, 4)


def class_color(name: str) -> Color:
    """RGB of a class; one of the known colours for an unknown name, always the same."""
    colors = list(CLASS_COLORS.values())
    return CLASS_COLORS.get(name, colors[sum(name.encode()) % len(colors)])


def dim(color: Color, score: float) -> Color:
    """The colour of a box of this score: full at 1, half at 0."""
    factor = 0.5 + 0.5 * min(max(score, 0.0), 1.0)
    return (int(color[0] * factor), int(color[1] * factor), int(color[2] * factor))


def clip_segment(a: np.ndarray, b: np.ndarray, near_m: float = NEAR_M) -> tuple[np.ndarray, np.ndarray] | None:
    """The part of a segment between `(3,)` camera-frame points that is at least `near_m` ahead; None if nothing is."""
    if a[2] < near_m and b[2] < near_m:
        return None
    if a[2] < near_m:
        a = a + (b - a) * ((near_m - a[2]) / (b[2] - a[2]))
    elif b[2] < near_m:
        b = b + (a - b) * ((near_m - b[2]) / (a[2] - b[2]))
    return a, b


def draw_line(image: np.ndarray, a: np.ndarray, b: np.ndarray, color: Color, thickness: int = 1, dash_px: float = 0.0) -> None:
    """Draw a line between `(2,)` pixel points in place, at sub-pixel position; dashed where `dash_px` > 0."""
    length = float(np.hypot(*(b - a)))
    height, width = image.shape[:2]
    visible, low, high = cv2.clipLine((-width, -height, 3 * width, 3 * height), _whole(a), _whole(b))
    if not visible:
        return
    if length > 4 * (width + height):  # far beyond the image: cut first, or fixed-point coordinates overflow
        a, b = np.array(low, float), np.array(high, float)
        length = float(np.hypot(*(b - a)))
    dashes = max(1, int(length / (2 * dash_px))) if dash_px > 0 else 1
    filled = 0.55 if dash_px > 0 else 1.0
    for index in range(dashes):
        start, end = a + (b - a) * (index / dashes), a + (b - a) * ((index + filled) / dashes)
        cv2.line(image, _fixed(start), _fixed(end), color, thickness, cv2.LINE_AA, _SHIFT)


def draw_boxes_on_image(image: np.ndarray, boxes: np.ndarray, colors: Sequence[Color], cam_T_ego: np.ndarray, intrinsics: np.ndarray,
                        *, thickness: int = 2, dash_px: float = 0.0, fill: float = 0.0) -> None:
    """Draw wire frames in place, far boxes first.

    Args:
        image: `(H, W, 3)` uint8.
        boxes: `(M, 7+)`, ego frame.
        colors: M colours.
        cam_T_ego: `(4, 4)`.
        intrinsics: `(3, 3)`, pixels of `image`.
        thickness: of the lines, pixels.
        dash_px: length of a dash; 0 draws solid lines.
        fill: opacity of the front face, which shows the heading.
    """
    if not len(boxes):
        return
    corners = transform_points(cam_T_ego, box_corners(boxes))
    depth = corners[..., 2].mean(axis=1)
    visible = [i for i in np.argsort(-depth) if corners[i, :, 2].max() > NEAR_M and _may_touch(corners[i], intrinsics, image.shape)]
    if fill > 0:
        overlay = image.copy()
        for index in visible:
            face = corners[index, _FRONT]
            if face[:, 2].min() > NEAR_M:
                pixels = np.clip(project(face, intrinsics)[0], -8000, 8000)
                cv2.fillPoly(overlay, [np.round(pixels * 2**_SHIFT).astype(np.int32)], colors[index], cv2.LINE_AA, _SHIFT)
        cv2.addWeighted(overlay, fill, image, 1 - fill, 0, dst=image)
    for index in visible:
        for first, second in _EDGES:
            segment = clip_segment(corners[index, first], corners[index, second])
            if segment is not None:
                pixels, _ = project(np.stack(segment), intrinsics)
                draw_line(image, pixels[0], pixels[1], colors[index], thickness, dash_px)


def _may_touch(corners_cam: np.ndarray, intrinsics: np.ndarray, shape: tuple[int, ...]) -> bool:
    if corners_cam[:, 2].min() <= NEAR_M:
        return True
    uv, _ = project(corners_cam, intrinsics)
    low, high = uv.min(axis=0), uv.max(axis=0)
    return bool((high >= 0).all() and low[0] < shape[1] and low[1] < shape[0])


_SHIFT = 3


def _fixed(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0]) * 2**_SHIFT), round(float(point[1]) * 2**_SHIFT)


def _whole(point: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(point, -1e8, 1e8)
    return int(x), int(y)
