"""What a fault does to the content of one message."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ros_nodes.faults import Fault
from ros_nodes.player_codec import Codec, stamp_of
from ros_nodes.player_topics import CAMERA_INFO, CLOUD, COMPRESSED, IMAGE

DAMAGE = {"corrupt": (IMAGE, COMPRESSED, CLOUD), "wrong_size": (IMAGE, COMPRESSED, CLOUD), "wrong_encoding": (IMAGE, COMPRESSED, CLOUD),
          "wrong_step": (IMAGE, CLOUD), "nan_points": (CLOUD,), "intrinsics": (CAMERA_INFO,)}
"""Faults of the content -> the types that they change."""

_JPEG, _QUANTISATION = b"\xff\xd8", b"\xff\xdb"
_FLOATS = {7: "f4", 8: "f8"}  # PointField.FLOAT32, FLOAT64
_MISFIT = {IMAGE: "32FC1", COMPRESSED: "h264"}


def damaged(fault: Fault, kind: str, data: bytes, codec: Codec) -> bytes:
    """A message as a broken driver would send it.

    Args:
        fault: one of `DAMAGE`.
        kind: of the message; one of those that the fault changes.
        data: CDR bytes of a sound message.
        codec: reads and writes messages.

    Returns:
        CDR bytes of a valid message whose content is wrong.
    """
    message = codec.decode(kind, data)
    if fault.fault == "intrinsics":
        _zoom(message, fault.factor)
    elif fault.fault == "nan_points":
        _lose_points(message, codec)
    elif fault.fault == "wrong_step":
        if kind == CLOUD:
            message.point_step = 2 * message.point_step
        else:
            message.step = 2 * message.step
    elif fault.fault == "corrupt":
        message.data = codec.blob(_corrupt(bytes(message.data), fault.mode, stamp_of(data)))
    elif fault.fault == "wrong_size":
        _halve(kind, message, codec)
    elif kind == CLOUD:
        for field, name in zip(message.fields, ("range", "azimuth", "elevation"), strict=False):
            field.name = name
    elif kind == COMPRESSED:
        message.format = fault.encoding or _MISFIT[kind]
    else:
        message.encoding = fault.encoding or _MISFIT[kind]
    return codec.encode(kind, message)


def _corrupt(content: bytes, mode: str, seed: int) -> bytes:
    half = len(content) // 2
    if mode == "truncate":
        return content[:half]
    noise = np.random.default_rng(abs(seed)).bytes(max(half - 2, 0))
    return content[:2] + noise + content[2 + len(noise):]  # the first bytes stay: it still begins like an image


def _halve(kind: str, message: Any, codec: Codec) -> None:
    if kind == CLOUD:
        message.width = 2 * message.width
    elif kind == COMPRESSED:
        image = cv2.imdecode(np.frombuffer(bytes(message.data), np.uint8), cv2.IMREAD_COLOR)
        if image is None:  # broken already
            return
        small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        message.format, message.data = "jpeg", codec.blob(cv2.imencode(".jpg", small)[1].tobytes())
    else:
        pixel = max(message.step // max(message.width, 1), 1)
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)[:, :message.width * pixel]
        small = rows.reshape(message.height, message.width, pixel)[::2, ::2]
        message.height, message.width, message.step = small.shape[0], small.shape[1], small.shape[1] * pixel
        message.data = codec.blob(small.tobytes())


def _zoom(info: Any, factor: float) -> None:
    for name, places in (("k", (0, 4)), ("p", (0, 5))):
        matrix = np.array(getattr(info, name), np.float64)
        matrix[list(places)] *= factor
        setattr(info, name, matrix)


def _lose_points(cloud: Any, codec: Codec) -> None:
    content, order = np.frombuffer(bytes(cloud.data), np.uint8).copy(), ">" if cloud.is_bigendian else "<"
    for field in cloud.fields:
        if field.name in ("x", "y", "z") and field.datatype in _FLOATS:
            np.ndarray((cloud.height, cloud.width), order + _FLOATS[field.datatype], content, int(field.offset),
                       (cloud.row_step, cloud.point_step))[:] = np.nan
    cloud.data = codec.blob(content.tobytes())


def varied(kind: str, data: bytes, number: int, codec: Codec) -> bytes:
    """The reading with hardly visible differences, others for each number from 1 on: a flood of new readings, not one that is frozen."""
    message = codec.decode(kind, data)
    content = np.frombuffer(bytes(message.data), np.uint8).copy()
    if kind == CLOUD:
        varied_points(content, number, message.point_step, int(message.fields[0].offset) + (3 if message.is_bigendian else 0))
    elif kind == IMAGE:
        content ^= number % 4
    else:
        varied_jpeg(content, number)
    message.data = codec.blob(content.tobytes())
    return codec.encode(kind, message)


def varied_points(content: np.ndarray, number: int, point_bytes: int, low_byte: int = 0) -> None:
    """Change the lowest bits of one coordinate of every point; `content` is the bytes, `low_byte` the first that changes."""
    content[low_byte::point_bytes] ^= number % 256


def varied_jpeg(jpeg: np.ndarray, number: int) -> bool:
    """Change one entry of a JPEG's first quantisation table by one: other pixels all over the image, without encoding it anew.

    Args:
        jpeg: its bytes, changed in place.
        number: other pixels for each.

    Returns:
        Whether it was one; a PNG stays as it is.
    """
    content = jpeg.tobytes()
    start = content.find(_QUANTISATION)
    if not content.startswith(_JPEG) or start < 0:
        return False
    entry = start + len(_QUANTISATION) + 3 + 1 + (number - 1) % 60  # after the length and the table's number; not the mean brightness
    jpeg[entry] += 1 if jpeg[entry] < 255 else -1
    return True
