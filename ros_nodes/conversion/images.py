"""Images and their calibration, to and from messages."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from fusion.data.readers import decode_rgb, image_kind, lacks_end
from fusion.errors import BadSensorData
from fusion.sensors.camera_model import CameraModel
from ros_nodes.conversion.factories import Make
from ros_nodes.conversion.frames import header_msg

_BYTES_PER_PIXEL = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "bayer_rggb8": 1, "bayer_bggr8": 1, "bayer_gbrg8": 1,
                    "bayer_grbg8": 1, "yuv422": 2, "yuv422_yuy2": 2, "uyvy": 2, "yuyv": 2}

_TO_RGB = {  # OpenCV names a Bayer pattern by its second row and second column, ROS by its first
    "bgr8": cv2.COLOR_BGR2RGB, "rgba8": cv2.COLOR_RGBA2RGB, "bgra8": cv2.COLOR_BGRA2RGB, "mono8": cv2.COLOR_GRAY2RGB,
    "bayer_rggb8": cv2.COLOR_BayerBG2RGB, "bayer_bggr8": cv2.COLOR_BayerRG2RGB, "bayer_gbrg8": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg8": cv2.COLOR_BayerGB2RGB, "yuv422": cv2.COLOR_YUV2RGB_UYVY, "uyvy": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2, "yuyv": cv2.COLOR_YUV2RGB_YUY2,
}

_COEFFICIENTS = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}
_MODEL_NAMES = {"none": "", "fisheye": "equidistant"}


def image_from_msg(message: Any) -> np.ndarray:
    """Pixels of a `sensor_msgs/Image`.

    Encodings: rgb8 bgr8 rgba8 bgra8 mono8 bayer_*8 yuv422 (uyvy) yuv422_yuy2 (yuyv).

    Returns:
        `(H, W, 3)` uint8 RGB. For rgb8 it is a view of the message's own memory: treat it as read-only.

    Raises:
        BadSensorData: an encoding that is none of these, or data that do not fit height, width and step.
    """
    encoding, height, width, step = str(message.encoding).lower(), int(message.height), int(message.width), int(message.step)
    if encoding not in _BYTES_PER_PIXEL:
        raise BadSensorData(f"image: encoding {message.encoding!r}; expected one of {', '.join(_BYTES_PER_PIXEL)}")
    pixel = _BYTES_PER_PIXEL[encoding]
    data = np.frombuffer(message.data, np.uint8)
    if min(height, width) < 1 or step < width * pixel or len(data) != height * step:
        raise BadSensorData(f"image: {len(data)} bytes with step {step} for {width}x{height} {encoding} pixels; "
                            f"expected {height} rows of at least {width * pixel} bytes")
    rows = data.reshape(height, step)[:, :width * pixel]
    if encoding == "rgb8":
        return rows.reshape(height, width, 3)
    if (pixel == 2 and width % 2) or (encoding.startswith("bayer") and (width % 2 or height % 2)):
        raise BadSensorData(f"image: {width}x{height} pixels of {encoding}; expected even sizes")
    source = np.ascontiguousarray(rows) if pixel == 1 else np.ascontiguousarray(rows).reshape(height, width, pixel)
    rgb: np.ndarray = cv2.cvtColor(source, _TO_RGB[encoding])
    return rgb


def image_from_compressed_msg(message: Any, reduction: int = 1) -> np.ndarray:
    """Pixels of a `sensor_msgs/CompressedImage` in JPEG or PNG, by the decoder that `bevduet perceive` uses, to the same bits.

    Where the format says that a Bayer mosaic was compressed as it is (`bayer_rggb8; jpeg compressed`), its colours are made as of a raw one.

    Args:
        message: the image.
        reduction: see `decode_rgb`.

    Returns:
        `(H, W, 3)` uint8 RGB, as stored (an EXIF rotation is ignored, as calibration refers to the stored pixels).

    Raises:
        BadSensorData: another format or Bayer pattern, truncated, or not decodable.
    """
    name, content, words = str(message.format), bytes(message.data), _words(message)
    if words and not {"jpeg", "png"} & set(words):
        raise BadSensorData(f"compressed image: format {name!r}; expected jpeg or png")
    pattern = _mosaic(words)
    if pattern and pattern not in _TO_RGB:
        raise BadSensorData(f"compressed image: a mosaic in {pattern} (format {name!r}); expected 8 bits a pixel, or colours")
    kind = image_kind(content)
    if kind is None:
        raise BadSensorData(f"compressed image: {len(content)} bytes that start neither as JPEG nor as PNG (format {name!r})")
    if lacks_end(content, kind):
        raise BadSensorData(f"compressed image: truncated {kind} of {len(content)} bytes; it lacks its end marker")
    image = decode_rgb(content, 1 if pattern else reduction)  # a smaller mosaic is none
    if image is None:
        raise BadSensorData(f"compressed image: {kind} of {len(content)} bytes cannot be decoded")
    return _demosaiced(image, pattern, reduction) if pattern else image


def is_mosaic(message: Any) -> bool:
    """Whether a `sensor_msgs/CompressedImage` holds a Bayer mosaic as it is: its bytes alone do not tell its colours."""
    return bool(_mosaic(_words(message)))


def _words(message: Any) -> list[str]:
    return str(message.format).lower().replace(";", " ").replace("jpg", "jpeg").split()


def _mosaic(words: list[str]) -> str:
    """The Bayer pattern that an image was compressed in, from the words of its format; "" where it has colours, or never had any.

    image_transport writes `<encoding>; jpeg compressed <what it was turned into>`, the last empty where it was left as it was.
    """
    bayer = bool(words) and words[0].startswith("bayer_")
    into = words[words.index("compressed") + 1:] if "compressed" in words else words[1:] if bayer else []
    left = not set(into) & {"bgr8", "rgb8", "bgr16", "rgb16"}
    return words[0] if bayer and left else ""


def _demosaiced(image: np.ndarray, pattern: str, reduction: int) -> np.ndarray:
    """`(H, W, 3)` RGB of a mosaic that was decoded as grey, its size divided as `decode_rgb` divides it."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        raise BadSensorData(f"compressed image: {width}x{height} pixels of {pattern}; expected even sizes")
    rgb: np.ndarray = cv2.cvtColor(np.ascontiguousarray(image[..., 0]), _TO_RGB[pattern])
    return rgb if reduction == 1 else cv2.resize(rgb, (-(-width // reduction), -(-height // reduction)), interpolation=cv2.INTER_AREA)


def camera_model_from_info(message: Any, *, rectified: bool = False) -> CameraModel:
    """Calibration of a `sensor_msgs/CameraInfo` for the image as it is published: region of interest and binning are applied.

    Args:
        rectified: the image is a pinhole's already, as `image_proc` makes it: that of the projection matrix `p`, in a frame that is turned
            by `r` (see `rectification_from_info`). Otherwise `k` and `d` say all, and neither `p` nor `r` counts: they are of another image.

    Without a distortion model (""; "none"), coefficients that are all zero, however many, say that the lens does not distort.

    Raises:
        BadSensorData: an uncalibrated camera (zero focal length), no size, coefficients of no model, or what `CameraModel` refuses.
    """
    width, height = int(message.width), int(message.height)
    intrinsics = np.array(message.p, np.float64).reshape(3, 4)[:, :3].copy() if rectified else np.array(message.k, np.float64).reshape(3, 3)
    if not np.isfinite(intrinsics).all() or intrinsics[0, 0] <= 0 or intrinsics[1, 1] <= 0:
        raise BadSensorData(f"camera_info: {'p' if rectified else 'k'} is {intrinsics.reshape(-1).tolist()}; expected positive focal lengths"
                            " (is the camera calibrated?)")
    if message.roi.width and message.roi.height:
        width, height = int(message.roi.width), int(message.roi.height)
        intrinsics[:2, 2] -= [message.roi.x_offset, message.roi.y_offset]
    across, down = max(int(message.binning_x), 1), max(int(message.binning_y), 1)
    if width < across or height < down:
        raise BadSensorData(f"camera_info: image size {width // across}x{height // down}; expected at least 1x1")
    given = str(message.distortion_model).lower()
    name = "" if rectified else _MODEL_NAMES.get(given, given)  # a fisheye with coefficients of zero would still be one
    distortion = np.zeros(0) if rectified else np.array(message.d, np.float64)
    if not name:
        if distortion.any():
            raise BadSensorData(f"camera_info: d is {distortion.tolist()} with distortion_model {message.distortion_model!r}; expected the model "
                                f"that they are of ({', '.join(_COEFFICIENTS)}), or zeros for a lens that does not distort")
        distortion = np.zeros(0)
    model = CameraModel(width=width, height=height, intrinsics=intrinsics, distortion_model=name, distortion=distortion)
    return model.shrunk(across, down) if (across, down) != (1, 1) else model


def rectification_from_info(message: Any) -> np.ndarray:
    """`(4, 4)` pose of the camera's optical frame in the frame that its rectified images are of: `r`, which turns both cameras of a stereo
    pair into one image plane. The fourth column of `p` is left out: it is for points given in the first camera's frame, and the frame that
    a message names has its origin in its own camera.

    Raises:
        BadSensorData: `r` is no rotation. One that was never set, all zero, turns nothing.
    """
    rotation = np.array(message.r, np.float64).reshape(3, 3)
    rectified_T_camera = np.eye(4)
    if rotation.any():
        if not (np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3) and np.linalg.det(rotation) > 0):
            raise BadSensorData(f"camera_info: r is {rotation.reshape(-1).tolist()}; expected a rotation")
        rectified_T_camera[:3, :3] = rotation
    return rectified_T_camera


def image_msg(make: Make, image: np.ndarray, *, stamp_ns: int, frame_id: str) -> Any:
    """`sensor_msgs/Image` in rgb8 of an `(H, W, 3)` uint8 RGB image."""
    height, width = image.shape[:2]
    return make("sensor_msgs/msg/Image", {
        "header": header_msg(make, stamp_ns, frame_id), "height": height, "width": width, "encoding": "rgb8", "is_bigendian": 0,
        "step": 3 * width, "data": image.tobytes()})


def compressed_msg(make: Make, content: bytes, *, stamp_ns: int, frame_id: str, image_format: str = "jpeg") -> Any:
    """`sensor_msgs/CompressedImage` around the bytes of a JPEG or PNG file, which are not touched."""
    return make("sensor_msgs/msg/CompressedImage", {
        "header": header_msg(make, stamp_ns, frame_id), "format": image_format, "data": content})


def camera_info_msg(make: Make, intrinsics: np.ndarray, size_wh: tuple[int, int], *, stamp_ns: int, frame_id: str,
                    distortion_model: str = "plumb_bob", distortion: np.ndarray | None = None) -> Any:
    """`sensor_msgs/CameraInfo` of `(3, 3)` intrinsics in pixels; without coefficients the image is a pinhole's."""
    width, height = size_wh
    matrix = np.asarray(intrinsics, np.float64)
    return make("sensor_msgs/msg/CameraInfo", {
        "header": header_msg(make, stamp_ns, frame_id), "height": int(height), "width": int(width), "distortion_model": distortion_model,
        "d": np.zeros(_COEFFICIENTS[distortion_model]) if distortion is None else np.asarray(distortion, np.float64),
        "k": matrix.reshape(-1), "r": np.eye(3).reshape(-1), "p": np.hstack([matrix, np.zeros((3, 1))]).reshape(-1)})
