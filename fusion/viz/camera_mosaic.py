"""All cameras of a rig in one picture with the boxes on them, and the whole picture of an instant."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fusion.geometry.projection import cam_T_ego_at_reference
from fusion.types import CameraReading, Detections, GroundTruth, SensorSet
from fusion.viz.bev_picture import BACKGROUND, TEXT, BevView, draw_bev, put_text
from fusion.viz.draw_boxes import TRUTH_COLOR, Color, class_color, dim, draw_boxes_on_image

_NUSCENES_ORDER = ("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT")
_GAP_PX = 4
_HEADER_PX = 34


def camera_grid(names: tuple[str, ...]) -> list[list[str]]:
    """Rows of camera names: nuScenes' rig as it looks around the vehicle, other rigs in their own order, at most three abreast."""
    if set(names) == set(_NUSCENES_ORDER):
        names = _NUSCENES_ORDER
    columns = max(1, min(len(names), 3))
    return [list(names[i:i + columns]) for i in range(0, len(names), columns)]


def draw_camera(sensor_set: SensorSet, name: str, size_hw: tuple[int, int], detections: Detections | None,
                truth: GroundTruth | None) -> np.ndarray:
    """One camera's image scaled into `size_hw` with boxes: `(H, W, 3)` uint8 RGB; a dark tile where the camera gave nothing."""
    reading = sensor_set.cameras[name]
    tile = np.full((*size_hw, 3), (26, 29, 35), np.uint8)
    if reading is None:
        text = f"{name}: no image"
        width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.55, 1)[0][0]
        put_text(tile, text, ((size_hw[1] - width) // 2, size_hw[0] // 2), TEXT, 0.55)
        return tile
    image, intrinsics = _fitted(reading, size_hw)
    cam_T_ego = cam_T_ego_at_reference(sensor_set, reading)
    if truth is not None:
        colors: list[Color] = [TRUTH_COLOR] * len(truth)
        draw_boxes_on_image(image, truth.boxes, colors, cam_T_ego, intrinsics, thickness=1, dash_px=4)
    if detections is not None:
        colors = [dim(class_color(detections.classes[label]), float(score))
                  for label, score in zip(detections.labels, detections.scores, strict=True)]
        draw_boxes_on_image(image, detections.boxes, colors, cam_T_ego, intrinsics, thickness=1, fill=0.3)
    top, left = (size_hw[0] - image.shape[0]) // 2, (size_hw[1] - image.shape[1]) // 2
    tile[top:top + image.shape[0], left:left + image.shape[1]] = image
    put_text(tile, name, (9, 19), (0, 0, 0), 0.5)
    put_text(tile, name, (8, 18), (255, 255, 255), 0.5)
    return tile


def draw_mosaic(sensor_set: SensorSet, detections: Detections | None, truth: GroundTruth | None, height_px: int = 630) -> np.ndarray | None:
    """All cameras as a grid of about the given height, `(H, W, 3)` uint8 RGB; None for a rig without cameras."""
    rows = camera_grid(tuple(sensor_set.cameras))
    if not rows:
        return None
    shapes = [r.image.shape[:2] for r in sensor_set.cameras.values() if r is not None]
    aspect = float(np.median([w / h for h, w in shapes])) if shapes else 16 / 9
    tile_h = (height_px - _GAP_PX * (len(rows) - 1)) // len(rows)
    columns = len(rows[0])
    tile_w = min(round(tile_h * aspect), 1680 // columns)
    tile_h = min(tile_h, math.ceil(tile_w / aspect))
    canvas = np.full((len(rows) * (tile_h + _GAP_PX) - _GAP_PX, columns * (tile_w + _GAP_PX) - _GAP_PX, 3), BACKGROUND, np.uint8)
    for row, names in enumerate(rows):
        for column, name in enumerate(names):
            top, left = row * (tile_h + _GAP_PX), column * (tile_w + _GAP_PX)
            canvas[top:top + tile_h, left:left + tile_w] = draw_camera(sensor_set, name, (tile_h, tile_w), detections, truth)
    return canvas


def draw_instant(sensor_set: SensorSet, detections: Detections, truth: GroundTruth | None = None, *, title: str = "",
                 min_score: float = 0.0, view: BevView | None = None) -> np.ndarray:
    """The whole picture: cameras beside the view from above, under a line that says what the answer rests on.

    Args:
        sensor_set: the readings.
        detections: boxes in the ego frame.
        truth: annotations, dashed in white, or None.
        title: start of the caption.
        min_score: boxes below are left out.
        view: the window of the view from above; its size sets the picture's height.

    Returns:
        `(H, W, 3)` uint8 RGB, even sides, the same size for every instant of a rig.
    """
    view = view or BevView()
    shown = _at_least(detections, min_score)
    bev = draw_bev(sensor_set, shown, truth, view)
    mosaic = draw_mosaic(sensor_set, shown, truth, view.size_px)
    width = bev.shape[1] + (mosaic.shape[1] + _GAP_PX if mosaic is not None else 0)
    canvas = np.full((_HEADER_PX + view.size_px, width + width % 2, 3), BACKGROUND, np.uint8)
    if mosaic is not None:
        top = _HEADER_PX + (view.size_px - mosaic.shape[0]) // 2
        canvas[top:top + mosaic.shape[0], :mosaic.shape[1]] = mosaic
    canvas[_HEADER_PX:, width - bev.shape[1]:width] = bev
    _draw_header(canvas, title, shown, truth)
    return canvas


def sensors_text(detections: Detections) -> str:
    """What an answer rests on, short: `6 cameras + LIDAR_TOP`."""
    cameras = [name for name in detections.sensors_used if name.upper().startswith("CAM")]
    others = [name for name in detections.sensors_used if name not in cameras]
    shown = [f"{len(cameras)} cameras"] if len(cameras) > 1 else cameras
    return " + ".join([*shown, *others]) or "no sensor"


def _draw_header(canvas: np.ndarray, title: str, detections: Detections, truth: GroundTruth | None) -> None:
    text = "   ".join(part for part in (title, f"from {sensors_text(detections)}", f"{len(detections)} boxes") if part)
    x = 10 + put_text(canvas, text, (10, 22), (225, 230, 238), 0.52) + 30
    present = {int(v) for v in detections.labels} | ({int(v) for v in truth.labels} if truth is not None else set())
    legend: list[tuple[str, Color]] = [(detections.classes[i], class_color(detections.classes[i]))
                                       for i in sorted(present) if i < len(detections.classes)]
    if truth is not None:
        legend.append(("ground truth (dashed)", TRUTH_COLOR))
    for name, color in legend:
        if x + 12 + 9 * len(name) > canvas.shape[1]:
            break
        cv2.rectangle(canvas, (x, 12), (x + 10, 22), color, -1)
        x += 16 + put_text(canvas, name.replace("_", " "), (x + 16, 22), TEXT, 0.45) + 18


def _at_least(detections: Detections, min_score: float) -> Detections:
    index = np.flatnonzero(detections.scores >= min_score)
    return Detections(boxes=detections.boxes[index], scores=detections.scores[index], labels=detections.labels[index],
                      attributes=tuple(detections.attributes[i] for i in index), stamp_ns=detections.stamp_ns,
                      sensors_used=detections.sensors_used, frame=detections.frame, token=detections.token, classes=detections.classes)


def _fitted(reading: CameraReading, size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The image scaled to fit inside a size, and its intrinsics `(3, 3)`."""
    height, width = reading.image.shape[:2]
    factor = min(size_hw[0] / height, size_hw[1] / width)
    new_h, new_w = max(1, round(height * factor)), max(1, round(width * factor))
    image = cv2.resize(reading.image, (new_w, new_h), interpolation=cv2.INTER_AREA)
    sx, sy = new_w / width, new_h / height
    new_T_old = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])
    return image, new_T_old @ reading.intrinsics
