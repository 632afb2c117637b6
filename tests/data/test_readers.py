"""Every broken sensor file gives BadSensorData that names the file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fusion.data.readers import read_image, read_points_bin, remove_close
from fusion.errors import BadSensorData


def _image(path: Path) -> np.ndarray:
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :, 0] = 200  # red upper half
    image[20:] = np.random.default_rng(0).integers(0, 255, (12, 48, 3))
    assert cv2.imwrite(str(path), image[..., ::-1])
    return image


def test_png_is_read_as_rgb(tmp_path: Path) -> None:
    image = _image(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", expected_hw=(32, 48)), image)


def test_jpeg_is_read_as_rgb(tmp_path: Path) -> None:
    _image(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg")[4, 4].tolist() == pytest.approx([200, 0, 0], abs=10)


def test_padding_after_the_end_marker_is_accepted(tmp_path: Path) -> None:
    _image(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes() + b"\0" * 500)
    assert read_image(tmp_path / "a.jpg").shape == (32, 48, 3)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.95])
def test_truncated_image_is_refused(tmp_path: Path, suffix: str, keep: float) -> None:
    path = tmp_path / f"a.{suffix}"
    _image(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(BadSensorData, match=rf"a.{suffix}: truncated image"):
        read_image(path)


@pytest.mark.parametrize(("content", "message"), [
    (b"", "empty file"), (b"hello", "not a readable image"), (None, "file not found"),
])
def test_not_an_image(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadSensorData, match=message):
        read_image(path)


def test_image_of_another_size_is_refused(tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    with pytest.raises(BadSensorData, match=r"48x32 pixels, its calibration is for 1600x900"):
        read_image(tmp_path / "a.png", expected_hw=(900, 1600))


def test_points_are_read(tmp_path: Path) -> None:
    points = np.arange(10, dtype="<f4").reshape(2, 5)
    points.tofile(tmp_path / "a.bin")
    np.testing.assert_array_equal(read_points_bin(tmp_path / "a.bin", 5), points)


def test_bad_points_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for content, message in ((b"", "empty file"), (b"\0" * 41, "41 bytes is not a multiple of 20")):
        path.write_bytes(content)
        with pytest.raises(BadSensorData, match=rf"a.bin: {message}"):
            read_points_bin(path, 5)
    points = np.zeros((4, 5), np.float32)
    points[1, 2], points[3, 0] = np.nan, np.inf
    points.tofile(path)
    with pytest.raises(BadSensorData, match=r"2 of 4 points hold NaN"):
        read_points_bin(path, 5)


def test_close_points_are_those_near_in_both_axes() -> None:
    points = np.array([[0.5, 0.5, 9], [1.0, 0, 0], [0.9, 3, 0], [-0.9, -0.9, 0]])
    np.testing.assert_array_equal(remove_close(points), points[1:3])
