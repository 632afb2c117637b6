"""A camera with its lens, and images as a pinhole would have taken them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class CameraModel:
    """Calibration of one camera, as `sensor_msgs/CameraInfo` gives it. Equal and hashable by value.

    Attributes:
        width, height: of the image that the intrinsics are for, pixels.
        intrinsics: `(3, 3)` float64, pixels; pixel centres at integer coordinates.
        distortion_model: "plumb_bob" (Brown-Conrady, 4 or 5 coefficients), "rational_polynomial" (8, 12 or 14; also 4 or 5),
            "equidistant" (fisheye, Kannala-Brandt, 4); "" without coefficients.
        distortion: `(D,)` float64 in OpenCV's order; `(0,)` for none.

    Raises:
        BadSensorData: not calibrated (zero focal length), not finite, unknown model, wrong number of coefficients.
    """

    width: int
    height: int
    intrinsics: np.ndarray
    distortion_model: str = "plumb_bob"
    distortion: np.ndarray

    @property
    def is_pinhole(self) -> bool:
        """Whether the lens does not distort: no coefficients, or all zero, and not a fisheye."""
        raise NotImplementedError


class Undistorter:
    """Undistorts the images of one `CameraModel`; the look-up tables are made at the first image and kept."""

    def __init__(self, model: CameraModel) -> None:
        raise NotImplementedError

    def undistort(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """An image as a pinhole camera at the same place would have taken it.

        Args:
            image: `(H, W, 3)` uint8 of the model's size.

        Returns:
            The image, of the same size (the same object where the lens does not distort), and its intrinsics `(3, 3)` float64.

        Raises:
            BadSensorData: the image has another size than its calibration.
        """
        raise NotImplementedError
