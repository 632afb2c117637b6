"""The transform tree: exact at samples, between them along the shortest way, and never a guess."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.geometry.transforms import pose, yaw_of
from ros_nodes.transforms import HISTORY_NS, MAX_SAMPLES, Lack, TransformTree, TransformUnavailable

S = 1_000_000_000
STILL = (1.0, 0.0, 0.0, 0.0)


def yaw(rad: float) -> tuple[float, float, float, float]:
    return (float(np.cos(rad / 2)), 0.0, 0.0, float(np.sin(rad / 2)))


def moving(*stamps_s: float) -> TransformTree:
    """odom -> base_link, at x = t and with a heading of t/10 rad."""
    tree = TransformTree()
    for t in stamps_s:
        tree.insert("odom", "base_link", round(t * S), translation_m=(t, 0, 0), rotation_wxyz=yaw(t / 10))
    return tree


def lack(tree: TransformTree, *question: object) -> Lack:
    with pytest.raises(TransformUnavailable) as caught:
        tree.lookup(*question)  # type: ignore[arg-type]
    return caught.value.lack


def test_a_sample_comes_back_to_the_bit() -> None:
    rotation, translation = (0.5677, -0.5612, 0.4231, 0.4305), (411.303, 1180.890, 0.25)
    tree = TransformTree()
    tree.insert("/odom", "base_link", 7, translation_m=translation, rotation_wxyz=rotation)
    assert np.array_equal(tree.lookup("odom", "base_link", 7), pose(rotation, translation))


def test_between_samples_the_way_is_even() -> None:
    middle = moving(1.0, 1.5).lookup("odom", "base_link", round(1.2 * S))
    assert middle[0, 3] == pytest.approx(1.2) and yaw_of(middle[:3, :3]) == pytest.approx(0.12)


def test_the_short_way_is_taken_for_either_sign_of_a_quaternion() -> None:
    tree = moving(1.0)
    tree.insert("odom", "base_link", 2 * S, translation_m=(2, 0, 0), rotation_wxyz=tuple(-q for q in yaw(0.2)))
    assert yaw_of(tree.lookup("odom", "base_link", round(1.5 * S))[:3, :3]) == pytest.approx(0.15)


def test_chains_go_up_and_down() -> None:
    tree = TransformTree()
    tree.insert("base", "mast", 0, translation_m=(0, 0, 2), rotation_wxyz=yaw(np.pi / 2), static=True)
    tree.insert("mast", "camera", 0, translation_m=(1, 0, 0), rotation_wxyz=STILL, static=True)
    tree.insert("base", "lidar", 0, translation_m=(0, 0, 1), rotation_wxyz=STILL, static=True)
    assert tree.lookup("base", "camera", 5)[:3, 3] == pytest.approx([0, 1, 2])
    assert tree.lookup("lidar", "camera", 5)[:3, 3] == pytest.approx([0, 1, 1])
    assert tree.lookup("camera", "base", 5) @ tree.lookup("base", "camera", 5) == pytest.approx(np.eye(4))
    assert np.array_equal(tree.lookup("base", "base", 5), np.eye(4))


def test_what_is_not_there_is_never_identity() -> None:
    tree = moving(1.0, 1.5)
    tree.insert("left", "right", 0, translation_m=(0, 0, 0), rotation_wxyz=STILL, static=True)
    assert lack(tree, "base_link", "camera", S) is Lack.MISSING
    assert lack(tree, "base_link", "right", S) is Lack.MISSING
    assert lack(tree, "odom", "base_link", round(1.6 * S)) is Lack.LATE
    assert lack(tree, "odom", "base_link", round(0.9 * S)) is Lack.TOO_OLD
    with pytest.raises(TransformUnavailable, match="'camera' is not on /tf or /tf_static"):
        tree.lookup("base_link", "camera", S)
    with pytest.raises(TransformUnavailable, match="not connected"):
        tree.lookup("base_link", "right", S)


def test_a_wide_gap_is_not_bridged() -> None:
    tree = moving(1.0, 3.0)
    assert lack(tree, "odom", "base_link", 2 * S) is Lack.TOO_OLD
    assert tree.lookup("odom", "base_link", 3 * S)[0, 3] == 3


def test_static_transforms_are_followed_when_they_change() -> None:
    tree = TransformTree()
    for x in (1.0, 2.0):
        tree.insert("base", "camera", 0, translation_m=(x, 0, 0), rotation_wxyz=STILL, static=True)
        assert tree.lookup("base", "camera", 99 * S)[0, 3] == x
    tree.insert("mast", "camera", 0, translation_m=(3, 0, 0), rotation_wxyz=STILL, static=True)  # mounted elsewhere
    assert lack(tree, "base", "camera", 99 * S) is Lack.MISSING


def test_samples_may_come_out_of_order_and_again() -> None:
    tree = moving(1.0, 1.4, 1.2)
    tree.insert("odom", "base_link", round(1.2 * S), translation_m=(9, 0, 0), rotation_wxyz=STILL)
    assert tree.lookup("odom", "base_link", round(1.2 * S))[0, 3] == 9
    assert tree.lookup("odom", "base_link", round(1.3 * S))[0, 3] == pytest.approx((9 + 1.4) / 2)


def test_the_history_is_bounded() -> None:
    tree = TransformTree()
    for index in range(MAX_SAMPLES + 50):
        tree.insert("odom", "base_link", index, translation_m=(index, 0, 0), rotation_wxyz=STILL)
    assert lack(tree, "odom", "base_link", 49) is Lack.TOO_OLD
    assert tree.lookup("odom", "base_link", 50)[0, 3] == 50
    tree.insert("odom", "base_link", 2 * HISTORY_NS, translation_m=(0, 0, 0), rotation_wxyz=STILL)
    assert lack(tree, "odom", "base_link", MAX_SAMPLES) is Lack.TOO_OLD


def test_after_a_jump_back_the_lost_future_is_forgotten() -> None:
    tree = moving(100.0, 100.5)
    tree.insert("base_link", "camera", 0, translation_m=(1, 0, 0), rotation_wxyz=STILL, static=True)
    tree.forget_after(50 * S)
    assert lack(tree, "odom", "base_link", 100 * S) is Lack.MISSING
    assert tree.lookup("base_link", "camera", 0)[0, 3] == 1
    tree = moving(100.0, 100.5)
    tree.insert("odom", "base_link", S, translation_m=(1, 0, 0), rotation_wxyz=STILL)  # far back: a recording began again
    assert tree.lookup("odom", "base_link", S)[0, 3] == 1
    assert lack(tree, "odom", "base_link", 100 * S) is Lack.LATE


@pytest.mark.parametrize(("parent", "child", "rotation", "x"), [
    ("", "b", STILL, 0.0), ("a", "", STILL, 0.0), ("a", "/a", STILL, 0.0), ("a", "b", (0.0, 0, 0, 0), 0.0), ("a", "b", STILL, np.nan),
    ("a", "b", (np.inf, 0, 0, 0), 0.0)])
def test_nonsense_is_refused(parent: str, child: str, rotation: tuple[float, ...], x: float) -> None:
    with pytest.raises(ValueError, match="transform"):
        TransformTree().insert(parent, child, 0, translation_m=(x, 0, 0), rotation_wxyz=rotation)


def test_a_loop_of_frames_ends() -> None:
    tree = TransformTree()
    tree.insert("a", "b", 0, translation_m=(0, 0, 0), rotation_wxyz=STILL, static=True)
    tree.insert("b", "a", 0, translation_m=(0, 0, 0), rotation_wxyz=STILL, static=True)
    assert lack(tree, "c", "a", 0) is Lack.MISSING
