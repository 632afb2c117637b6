"""Rigid transforms against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from pyquaternion import Quaternion

from fusion.geometry.transforms import invert, pose, rotation_z, transform_points, wrap_angle, yaw_of


def test_pose_equals_quaternion_library() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        quaternion, offset = rng.normal(size=4), rng.normal(size=3) * 1000
        expected = Quaternion(quaternion).normalised.transformation_matrix
        expected[:3, 3] = offset
        np.testing.assert_allclose(pose(quaternion, offset), expected, atol=1e-12)


def test_invert_single_and_stacked() -> None:
    a_T_b = np.stack([pose([0.3, 0.1, -0.5, 0.8], [600, 1600, 2]), pose([1, 0, 0, 0], [1, 2, 3])])
    np.testing.assert_allclose(invert(a_T_b) @ a_T_b, np.stack([np.eye(4)] * 2), atol=1e-12)
    np.testing.assert_allclose(invert(a_T_b[0]), np.linalg.inv(a_T_b[0]), atol=1e-9)


def test_transform_points_widens_float32_and_keeps_shape() -> None:
    quarter_turn = pose([np.sqrt(0.5), 0, 0, np.sqrt(0.5)], [1000, 0, 0])
    moved = transform_points(quarter_turn, np.array([[[1, 0, 0], [0, 1, 2]]], np.float32))
    assert moved.dtype == np.float64
    np.testing.assert_allclose(moved, [[[1000, 1, 0], [999, 0, 2]]], atol=1e-9)
    assert transform_points(quarter_turn, np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("yaw", [-3.0, -0.5, 0.0, 1.2, 3.1])
def test_yaw_of_undoes_rotation_z(yaw: float) -> None:
    assert yaw_of(rotation_z(yaw)) == pytest.approx(yaw, abs=1e-12)


def test_wrap_angle_is_half_open() -> None:
    angles = np.array([np.pi, -np.pi, 3 * np.pi, 0.5, 7.0, -1e-20, -np.pi - 1e-17, np.nextafter(-np.pi, -4)])
    wrapped = wrap_angle(angles)
    assert (wrapped >= -np.pi).all()
    assert (wrapped < np.pi).all()
    np.testing.assert_allclose(np.exp(1j * wrapped), np.exp(1j * angles), atol=1e-12)
    assert wrap_angle(np.pi) == -np.pi


@pytest.mark.parametrize(("rotation", "translation", "message"), [
    ([0, 0, 0, 0], [0, 0, 0], "not zero"),
    ([1, 0, 0, 0], [0, np.nan, 0], "finite"),
    ([1, 0, 0], [0, 0, 0], r"rotation_wxyz: expected \(4,\), got \(3,\)"),
])
def test_pose_refuses(rotation: list[float], translation: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pose(rotation, translation)


def test_wrong_shapes_raise() -> None:
    with pytest.raises(ValueError, match=r"a_T_b: expected \(\.\.\., 4, 4\), got \(3, 3\)"):
        invert(np.eye(3))
    with pytest.raises(ValueError, match=r"points_xyz: expected \(\.\.\., 3\), got \(5, 4\)"):
        transform_points(np.eye(4), np.zeros((5, 4)))
