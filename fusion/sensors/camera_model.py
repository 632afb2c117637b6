"""A camera with its lens, and images as a pinhole would have taken them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from fusion.errors import BadSensorData

COEFFICIENTS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (0, 4, 5, 8, 12, 14), "equidistant": (0, 4), "": (0,)}
"""Distortion model -> how many coefficients it may have."""

MAX_ZOOM = 2.0
"""A view is narrowed by at most this to leave out what the lens did not see."""

MIN_OVERSAMPLING = 1.5
"""An image that is read smaller than it is keeps this many pixels for each that is needed, so that scaling the rest of the way stays an average."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CameraModel:
    """Calibration of one camera, as `sensor_msgs/CameraInfo` gives it. Equal and hashable by value.

    Attributes:
        width: of the image that the intrinsics are for, pixels.
        height: as `width`.
        intrinsics: `(3, 3)` float64, pixels; pixel centres at integer coordinates.
        distortion_model: "plumb_bob" (Brown-Conrady, 4 or 5 coefficients), "rational_polynomial" (8, 12 or 14; also 4 or 5),
            "equidistant" (fisheye, Kannala-Brandt, 4); "" without coefficients.
        distortion: `(D,)` float64 in OpenCV's order; `(0,)` for images that are rectified already, in any model.

    Raises:
        BadSensorData: not calibrated (zero focal length), not finite, unknown model, wrong number of coefficients.
    """

    width: int
    height: int
    intrinsics: np.ndarray
    distortion_model: str = "plumb_bob"
    distortion: np.ndarray

    def __post_init__(self) -> None:
        intrinsics, distortion = (np.array(value, np.float64) for value in (self.intrinsics, self.distortion))
        for value in (intrinsics, distortion):
            value.flags.writeable = False
        object.__setattr__(self, "intrinsics", intrinsics)
        object.__setattr__(self, "distortion", distortion)
        if self.width < 1 or self.height < 1:
            raise BadSensorData(f"calibration: is for an image of {self.width}x{self.height} pixels; expected the camera's size")
        if intrinsics.shape != (3, 3) or not np.isfinite(intrinsics).all() or not (intrinsics[0, 0] > 0 and intrinsics[1, 1] > 0):
            raise BadSensorData(f"calibration: intrinsics {intrinsics.tolist()}; expected 3x3 finite numbers with positive focal "
                                "lengths (a camera that was never calibrated says zero)")
        if self.distortion_model not in COEFFICIENTS:
            raise BadSensorData(f"calibration: distortion model {self.distortion_model!r}; expected one of {list(COEFFICIENTS)[:3]}")
        counts = COEFFICIENTS[self.distortion_model]
        if distortion.ndim != 1 or len(distortion) not in counts or not np.isfinite(distortion).all():
            raise BadSensorData(f"calibration: distortion coefficients {distortion.tolist()} of {self.distortion_model!r}; expected "
                                f"{' or '.join(map(str, counts))} finite numbers")

    @property
    def is_pinhole(self) -> bool:
        """Whether the lens does not distort: no coefficients, or all zero (with which "equidistant" is still a fisheye)."""
        return len(self.distortion) == 0 or (self.distortion_model != "equidistant" and not self.distortion.any())

    def project(self, rays: np.ndarray) -> np.ndarray:
        """Where the lens puts points of the camera frame.

        Args:
            rays: `(P, 3)` metres, in front of the camera (x right, y down, z forward).

        Returns:
            `(P, 2)` float64 pixels of the distorted image.
        """
        zero = np.zeros(3)
        if not self.is_pinhole and self.distortion_model == "equidistant":
            uv, _ = cv2.fisheye.projectPoints(rays.reshape(-1, 1, 3), zero, zero, self.intrinsics, self.distortion)
        else:
            uv, _ = cv2.projectPoints(rays.reshape(-1, 1, 3), zero, zero, self.intrinsics, self.distortion)
        pixels: np.ndarray = uv.reshape(-1, 2)
        return pixels

    def shrunk(self, across: int, down: int) -> CameraModel:
        """The same camera with images of `width // across` by `height // down` pixels, each the mean of as many."""
        factors = np.array([across, down])
        intrinsics = self.intrinsics.copy()
        intrinsics[:2] /= factors[:, None]
        intrinsics[:2, 2] += 0.5 / factors - 0.5  # pixel centres are at integer coordinates
        return replace(self, width=self.width // across, height=self.height // down, intrinsics=intrinsics)

    def _key(self) -> tuple[int, int, bytes, str, bytes]:
        return self.width, self.height, self.intrinsics.tobytes(), self.distortion_model, self.distortion.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CameraModel) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def reduction(size_wh: tuple[int, int], needed_width: int) -> int:
    """How many times smaller an image may be read: 1, 2, 4 or 8; both sides divide by it, and `MIN_OVERSAMPLING` times the needed width is left."""
    width, height = size_wh
    return max((factor for factor in (1, 2, 4, 8)
                if not width % factor and not height % factor and width >= factor * MIN_OVERSAMPLING * needed_width), default=1)


class Undistorter:
    """Undistorts the images of one `CameraModel`; the look-up tables are made at the first image and kept.

    An image that the lens distorted is brought to 1 / `shrink` of its size before: whoever scales it down further loses nothing, and
    the time goes with the pixels. Others are never touched.

    The view keeps the camera's focal length and principal point. Where the lens bends inwards (pincushion), so that the corners of
    this view would lie outside the image, it is narrowed to what the lens saw; a wide lens loses what a pinhole with its focal length
    cannot show.
    """

    def __init__(self, model: CameraModel, *, shrink: int = 1) -> None:
        self.model, self.shrink = model, shrink
        self._intrinsics: np.ndarray | None = None
        self._maps: tuple[np.ndarray, np.ndarray] | None = None

    def undistort(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """An image as a pinhole camera at the same place would have taken it.

        Args:
            image: `(H, W, 3)` uint8 of the model's size.

        Returns:
            The image (the same object where the lens does not distort, else of the size of `model.shrunk(shrink, shrink)`), and its
            intrinsics `(3, 3)` float64.

        Raises:
            BadSensorData: the image has another size than its calibration.
        """
        model = self.model
        if image.shape[:2] != (model.height, model.width):
            raise BadSensorData(f"image is {image.shape[1]}x{image.shape[0]} pixels, its calibration is for {model.width}x{model.height};"
                                " publish both for the same size")
        if model.is_pinhole:
            return image, model.intrinsics.copy()
        if self.shrink > 1:
            model = model.shrunk(self.shrink, self.shrink)
            image = cv2.resize(image, (model.width, model.height), interpolation=cv2.INTER_AREA)
        if self._maps is None or self._intrinsics is None:
            self._intrinsics = _view(model)
            make = cv2.fisheye.initUndistortRectifyMap if model.distortion_model == "equidistant" else cv2.initUndistortRectifyMap
            # Fixed-point tables: half the memory of floating-point ones, and faster.
            self._maps = make(model.intrinsics, model.distortion, np.eye(3), self._intrinsics, (model.width, model.height), cv2.CV_16SC2)
        undistorted: np.ndarray = cv2.remap(image, self._maps[0], self._maps[1], cv2.INTER_LINEAR)
        return undistorted, self._intrinsics.copy()


class Undistorters:
    """One `Undistorter` for each camera, made anew where its calibration changed: no more tables than cameras are kept."""

    def __init__(self) -> None:
        self._of: dict[str, Undistorter] = {}

    def of(self, name: str, model: CameraModel, *, shrink: int = 1) -> Undistorter:
        """The tables for a camera as it is calibrated now."""
        known = self._of.get(name)
        if known is None or known.shrink != shrink or known.model != model:
            known = self._of[name] = Undistorter(model, shrink=shrink)
        return known


def _view(model: CameraModel) -> np.ndarray:
    """Intrinsics `(3, 3)` of the undistorted image: the camera's own, or the widest view that the lens saw all of."""
    columns, rows = np.arange(model.width, dtype=np.float64), np.arange(model.height, dtype=np.float64)
    border = np.concatenate([np.stack(np.broadcast_arrays(*side), axis=1) for side in (
        (columns, 0.0), (columns, model.height - 1.0), (0.0, rows), (model.width - 1.0, rows))])
    pixels = np.column_stack([border, np.ones(len(border))])

    def zoomed(zoom: float) -> np.ndarray:
        intrinsics = model.intrinsics.copy()
        intrinsics[:2, :2] *= zoom
        return intrinsics

    def seen(zoom: float) -> bool:
        uv = model.project(pixels @ np.linalg.inv(zoomed(zoom)).T)
        return bool(((uv >= 0) & (uv <= [model.width - 1, model.height - 1])).all())

    if seen(1.0) or not seen(MAX_ZOOM):  # a lens for which even that is not enough leaves black corners
        return zoomed(1.0)
    low, high = 1.0, MAX_ZOOM
    for _ in range(12):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if seen(middle) else (middle, high)
    return zoomed(high)
