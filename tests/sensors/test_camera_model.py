"""Lenses: what a pinhole would have seen, against OpenCV and against points of known place."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fusion.errors import BadSensorData
from fusion.geometry.projection import project
from fusion.sensors.camera_model import CameraModel, Undistorter, Undistorters, reduction

WIDTH, HEIGHT = 400, 300
INTRINSICS = np.array([[260.0, 0, 207.3], [0, 255.0, 146.1], [0, 0, 1]])
LENSES = {
    "barrel": ("plumb_bob", [-0.30, 0.09, 0.0008, -0.0011, 0.0]),
    "barrel of 4": ("plumb_bob", [-0.25, 0.06, 0.0, 0.001]),
    "pincushion": ("plumb_bob", [0.15, 0.02, -0.0005, 0.0007, 0.0]),
    "rational": ("rational_polynomial", [0.5, -0.2, 0.0003, -0.0004, 0.01, 0.75, -0.1, 0.02]),
    "fisheye": ("equidistant", [0.02, -0.008, 0.003, -0.0007]),
    "ideal fisheye": ("equidistant", [0.0, 0.0, 0.0, 0.0]),
}


def model(lens: str = "barrel", **changes: object) -> CameraModel:
    kind, coefficients = LENSES[lens]
    return CameraModel(**{"width": WIDTH, "height": HEIGHT, "intrinsics": INTRINSICS, "distortion_model": kind,  # type: ignore[arg-type]
                          "distortion": np.array(coefficients), **changes})


def spots(uv: np.ndarray, sigma_px: float = 2.0) -> np.ndarray:
    """`(H, W, 3)` uint8: a bright spot at each of `(P, 2)` pixels."""
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    image = sum(np.exp(-((xs - u) ** 2 + (ys - v) ** 2) / (2 * sigma_px**2)) for u, v in uv)
    return np.repeat(np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("lens", LENSES)
def test_known_points_land_where_the_pinhole_says(lens: str) -> None:
    lens_model = model(lens)
    undistorter = Undistorter(lens_model)
    _, intrinsics = undistorter.undistort(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    grid = np.stack(np.meshgrid(np.linspace(20, WIDTH - 20, 6), np.linspace(20, HEIGHT - 20, 5)), -1).reshape(-1, 2)
    depth = np.linspace(2, 40, len(grid))[:, None]
    points = np.column_stack([grid, np.ones(len(grid))]) @ np.linalg.inv(intrinsics).T * depth  # metres, camera frame
    wanted, _ = project(points, intrinsics)
    image, _ = undistorter.undistort(spots(lens_model.project(points)))
    errors = []
    for u, v in wanted:
        rows, columns = np.mgrid[round(v) - 9:round(v) + 10, round(u) - 9:round(u) + 10]
        weight = image[rows, columns, 0].astype(float)
        assert weight.max() > 100
        errors.append(np.hypot((weight * columns).sum() / weight.sum() - u, (weight * rows).sum() / weight.sum() - v))
    assert max(errors) < 0.3


@pytest.mark.parametrize("lens", LENSES)
def test_lenses_are_opencvs(lens: str) -> None:
    """Points through the lens and back by OpenCV's own inverse; and each undistorted pixel shows what the lens saw there."""
    lens_model = model(lens)
    rng = np.random.default_rng(0)
    rays = np.column_stack([rng.uniform(-0.6, 0.6, (50, 2)), np.ones(50)])
    uv = lens_model.project(rays * rng.uniform(1, 50, (50, 1)))
    undo = cv2.fisheye.undistortPoints if lens_model.distortion_model == "equidistant" else cv2.undistortPoints
    np.testing.assert_allclose(undo(uv[:, None], INTRINSICS, lens_model.distortion)[:, 0], rays[:, :2], atol=2e-3)
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    ramp = np.stack([columns / WIDTH * 255, rows / HEIGHT * 255, columns * 0 + 77], -1)  # colour says the place
    image, intrinsics = Undistorter(lens_model).undistort(np.round(ramp).astype(np.uint8))
    pixels = np.stack([columns.ravel(), rows.ravel(), np.ones(columns.size)], 1)
    source = lens_model.project(pixels @ np.linalg.inv(intrinsics).T)
    assert (source.min(axis=0) >= 0).all() and (source.max(axis=0) <= [WIDTH - 1, HEIGHT - 1]).all()  # nothing invented
    np.testing.assert_allclose(image.reshape(-1, 3)[:, :2], source / [WIDTH, HEIGHT] * 255, atol=1.1)
    assert (image[..., 2] == 77).all()


def test_the_view_is_the_cameras_own_unless_the_lens_did_not_see_its_corners() -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for lens in ("barrel", "fisheye"):
        np.testing.assert_array_equal(Undistorter(model(lens)).undistort(image)[1], INTRINSICS)
    narrowed = Undistorter(model("pincushion")).undistort(image)[1]
    zoom = narrowed[0, 0] / INTRINSICS[0, 0]
    assert 1.02 < zoom < 1.3
    np.testing.assert_allclose(narrowed, np.diag([zoom, zoom, 1]) @ INTRINSICS + [[0, 0, (1 - zoom) * 207.3], [0, 0, (1 - zoom) * 146.1], [0, 0, 0]])
    # A principal point at the very corner: no zoom could fill the view, so it stays and has black parts.
    aside = model("pincushion", intrinsics=INTRINSICS - [[0, 0, 210], [0, 0, 150], [0, 0, 0]])
    np.testing.assert_array_equal(Undistorter(aside).undistort(image)[1], aside.intrinsics)


@pytest.mark.parametrize(("kind", "coefficients"), [
    ("plumb_bob", []), ("plumb_bob", [0.0] * 5), ("rational_polynomial", [0.0] * 8), ("equidistant", []), ("", [])])
def test_without_distortion_the_image_passes_untouched(kind: str, coefficients: list[float]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    straight = model(distortion_model=kind, distortion=np.array(coefficients))
    same, intrinsics = Undistorter(straight).undistort(image)
    assert same is image
    assert intrinsics is not INTRINSICS
    np.testing.assert_array_equal(intrinsics, INTRINSICS)


@pytest.mark.parametrize("lens", LENSES)
def test_a_shrunk_image_shows_the_same_view(lens: str) -> None:
    """A smooth picture, straightened whole and then halved, and halved before it is straightened."""
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    waves = 127 + 60 * np.sin(columns / 17) + 60 * np.cos(rows / 13)
    picture = np.repeat(np.round(waves).astype(np.uint8)[..., None], 3, axis=2)
    whole, intrinsics = Undistorter(model(lens)).undistort(picture)
    small, smaller = Undistorter(model(lens), shrink=2).undistort(picture)
    assert small.shape == (HEIGHT // 2, WIDTH // 2, 3)
    zoom = smaller[0, 0] / intrinsics[0, 0]
    assert zoom == pytest.approx(0.5, abs=2e-3)  # the view may be narrowed by a pixel's share more
    halved = cv2.resize(whole, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    inner = np.abs(halved.astype(int) - small)[8:-8, 8:-8]
    assert inner.mean() < 1.5 and np.quantile(inner, 0.99) <= 6


def test_tables_are_kept_for_each_camera_until_its_calibration_changes() -> None:
    known = Undistorters()
    left = known.of("left", model())
    assert known.of("left", model()) is left and known.of("right", model()) is not left
    other = known.of("left", model("fisheye"))
    assert other.model == model("fisheye") and known.of("left", model("fisheye"), shrink=2) is not other
    assert known.of("left", model()) is not left  # the old tables are gone


def test_a_camera_with_smaller_images() -> None:
    small = model().shrunk(2, 3)
    assert (small.width, small.height) == (200, 100)
    ray = np.array([[0.3, 0.2, 1.0]])  # pixel edges, at -0.5, stay edges
    np.testing.assert_allclose(small.project(ray) + 0.5, (model().project(ray) + 0.5) / [2, 3])


@pytest.mark.parametrize(("size_wh", "needed", "factor"), [
    ((1600, 900), 352, 2), ((1280, 720), 352, 2), ((1600, 900), 704, 1), ((1601, 900), 352, 1), ((3840, 2160), 352, 4), ((3840, 2164), 320, 4),
    ((8000, 8000), 10, 8), ((300, 200), 352, 1)])
def test_how_much_smaller_an_image_may_be_read(size_wh: tuple[int, int], needed: int, factor: int) -> None:
    assert reduction(size_wh, needed) == factor


def test_inputs_stay_as_they_are_and_tables_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    make = cv2.initUndistortRectifyMap
    monkeypatch.setattr(cv2, "initUndistortRectifyMap", lambda *args: calls.append(1) or make(*args))
    undistorter, image = Undistorter(model()), np.full((HEIGHT, WIDTH, 3), 99, np.uint8)
    first, intrinsics = undistorter.undistort(image)
    intrinsics[:] = 0
    second, again = undistorter.undistort(image)
    assert (image == 99).all()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(again, INTRINSICS)
    assert calls == [1]


@pytest.mark.parametrize("lens", ["barrel", "fisheye"])
def test_an_image_of_another_size_is_refused(lens: str) -> None:
    for lens_model in (model(lens), model(lens, distortion_model="plumb_bob", distortion=np.zeros(0))):
        with pytest.raises(BadSensorData, match="image is 200x150 pixels, its calibration is for 400x300"):
            Undistorter(lens_model).undistort(np.zeros((150, 200, 3), np.uint8))


def test_equal_by_value() -> None:
    first, same = model(), model(intrinsics=INTRINSICS.copy())
    assert first == same and hash(first) == hash(same)
    others = [model("pincushion"), model(width=401), model(intrinsics=INTRINSICS + np.eye(3) * [1, 0, 0]),
              model(distortion_model="rational_polynomial"), model("fisheye")]
    assert all(other != first for other in others)
    assert len({first, same, *others}) == 6
    with pytest.raises(ValueError, match="read-only"):
        first.intrinsics[0, 0] = 1


@pytest.mark.parametrize(("changes", "said"), [
    ({"intrinsics": np.zeros((3, 3))}, "positive focal lengths"), ({"intrinsics": INTRINSICS * np.nan}, "finite"),
    ({"intrinsics": np.eye(4)}, "3x3"), ({"width": 0}, "0x300 pixels"), ({"distortion_model": "omni"}, "distortion model 'omni'; expected one of"),
    ({"distortion": np.zeros(3)}, "expected 0 or 4 or 5 finite numbers"), ({"distortion": np.array([np.nan] * 5)}, "finite"),
    ({"distortion_model": ""}, "expected 0 finite numbers"), ({"distortion_model": "equidistant"}, "expected 0 or 4")])
def test_impossible_calibrations_say_why(changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadSensorData) as caught:
        model(**changes)
    assert said in str(caught.value)
