"""Reading one sensor file with every check that the decoders leave out.

All errors are `BadSensorData`: one reading is lost, not the run.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from fusion.errors import BadSensorData

_MARKERS = {"jpeg": (b"\xff\xd8", b"\xff\xd9"), "png": (b"\x89PNG\r\n\x1a\n", b"IEND")}
# OpenCV 5 refuses the flag for RGB beside the one for BGR, which its names for reduced colour images hold.
_REDUCED = {1: cv2.IMREAD_COLOR_RGB, **{n: getattr(cv2, f"IMREAD_REDUCED_COLOR_{n}") & ~cv2.IMREAD_COLOR | cv2.IMREAD_COLOR_RGB for n in (2, 4, 8)}}
_TAIL_BYTES = 64  # an end marker is looked for here; some writers add a few bytes after it


def read_bytes(path: Path) -> bytes:
    """The content of a sensor file; BadSensorData where it is missing, unreadable or empty."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise BadSensorData(f"{path}: file not found; restore it from the data set's archive") from None
    except OSError as error:
        raise BadSensorData(f"{path}: cannot be read ({error.strerror}); check the file and its permissions") from None
    if not content:
        raise BadSensorData(f"{path}: empty file; restore it from the data set's archive")
    return content


def image_kind(content: bytes) -> str | None:
    """"jpeg" or "png" by how the bytes start, else None."""
    return next((kind for kind, (start, _) in _MARKERS.items() if content.startswith(start)), None)


def lacks_end(content: bytes, kind: str) -> bool:
    """Whether an image is truncated: decoders fill the lost part with grey and report success, so its end marker is looked for."""
    return _MARKERS[kind][1] not in content.rstrip(b"\0")[-_TAIL_BYTES:]


def decode_rgb(content: bytes, reduction: int = 1) -> np.ndarray | None:
    """Pixels of the bytes of an image, as stored (an EXIF rotation is ignored, as calibration refers to the stored pixels).

    Args:
        content: JPEG or PNG.
        reduction: 1, 2, 4 or 8: width and height are divided by this. Half a JPEG takes two thirds of the time.

    Returns:
        `(H, W, 3)` uint8 RGB; None where they cannot be decoded.
    """
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), _REDUCED[reduction] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None


def read_image(path: Path, *, expected_hw: tuple[int, int] | None = None) -> np.ndarray:
    """Decode a JPEG or PNG file, see `decode_rgb`.

    Args:
        path: the file.
        expected_hw: the size that the calibration is for, in pixels; None skips the check.

    Returns:
        `(H, W, 3)` uint8 RGB.

    Raises:
        BadSensorData: missing, empty, truncated, not an image, or of another size.
    """
    content = read_bytes(path)
    kind = image_kind(content)
    if kind is not None and lacks_end(content, kind):
        raise BadSensorData(f"{path}: truncated image ({len(content)} bytes, no end marker); "
                            "restore it from the data set's archive")
    image = decode_rgb(content)
    if image is None:
        raise BadSensorData(f"{path}: not a readable image ({len(content)} bytes); expected JPEG or PNG")
    if expected_hw is not None and image.shape[:2] != expected_hw:
        raise BadSensorData(f"{path}: image is {image.shape[1]}x{image.shape[0]} pixels, its calibration is for "
                            f"{expected_hw[1]}x{expected_hw[0]}; restore the original image")
    return image


def check_points(path: Path, points: np.ndarray) -> np.ndarray:
    """Return `points` `(P, C)`; BadSensorData where there are none or some are not finite."""
    if not len(points):
        raise BadSensorData(f"{path}: no points; restore it from the data set's archive")
    bad = int((~np.isfinite(points).all(axis=1)).sum())
    if bad:
        raise BadSensorData(f"{path}: {bad} of {len(points)} points hold NaN or infinity; "
                            "restore the file or remove those points")
    return points


def read_points_bin(path: Path, columns: int) -> np.ndarray:
    """Read a raw little-endian float32 point file.

    Args:
        path: the file.
        columns: values per point (5 for nuScenes, 4 for KITTI).

    Returns:
        `(P, columns)` float32, finite, P > 0.

    Raises:
        BadSensorData: missing, empty, not a whole number of points, or not finite.
    """
    content = read_bytes(path)
    if len(content) % (4 * columns):
        raise BadSensorData(f"{path}: {len(content)} bytes is not a multiple of {4 * columns} (one point of {columns} float32); "
                            "the file is truncated or of another format")
    return check_points(path, np.frombuffer(content, "<f4").reshape(-1, columns).astype(np.float32))


def remove_close(points: np.ndarray, radius_m: float = 1.0) -> np.ndarray:
    """Drop points within a square of half-width `radius_m` around the sensor: they are the vehicle itself (nuScenes' rule)."""
    far = (np.abs(points[:, 0]) >= radius_m) | (np.abs(points[:, 1]) >= radius_m)
    kept: np.ndarray = points.compress(far, axis=0)  # a tenth of the time of points[(...).any(axis=1)]
    return kept
