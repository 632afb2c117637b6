"""The catalogue of shapes: sizes as nuScenes has them, boxes that fit, meshes that are sound, seeds that repeat."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.data.classes import DETECTION_NAME
from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh
from fusion.simulate.shapes.catalogue import CATEGORIES, CLUTTER, SORTS, make_clutter, make_shape
from fusion.simulate.shapes.sculpt import HOLE, Sculpt
from fusion.simulate.shapes.shape import fitted

SEEDS = range(10)
OUTSIDE_M = {"vehicle.car": 0.25, "vehicle.truck": 0.25, "vehicle.bus.rigid": 0.25, "vehicle.bus.bendy": 0.25}
"""How far door mirrors may stand out."""

NUSCENES_MEAN_LWH = {
    "vehicle.car": (4.62, 1.95, 1.73), "vehicle.truck": (6.9, 2.5, 2.85), "vehicle.bus.rigid": (11.2, 2.95, 3.47),
    "vehicle.trailer": (12.3, 2.9, 3.9), "vehicle.construction": (6.4, 2.8, 3.2),
    "human.pedestrian.adult": (0.73, 0.67, 1.77), "vehicle.motorcycle": (2.11, 0.77, 1.47),
    "vehicle.bicycle": (1.70, 0.60, 1.28), "movable_object.trafficcone": (0.41, 0.41, 1.07), "movable_object.barrier": (0.5, 2.5, 0.98),
}


def areas_m2(mesh: Mesh) -> np.ndarray:
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2


@pytest.mark.parametrize("category", CATEGORIES)
def test_meshes_fit_their_box(category: str) -> None:
    for seed in SEEDS:
        shape = make_shape(category, np.random.default_rng(seed))
        bounds = np.stack([mesh.bounds for mesh in shape.meshes])
        half = shape.size_lwh / 2
        over = np.maximum(bounds[:, 1].max(axis=0) - half, -half - bounds[:, 0].min(axis=0))
        assert np.all(over <= [0.03, OUTSIDE_M.get(category, 0.03), 0.03]), f"seed {seed} stands out of its box by {over}"
        assert np.all(over >= -0.05), f"seed {seed} fills its box badly: {over}"
        assert np.allclose(bounds[:, 0, 2], -half[2], atol=1e-3), f"seed {seed} does not stand on the ground"


@pytest.mark.parametrize("category", CATEGORIES)
def test_meshes_are_sound(category: str) -> None:
    for seed in SEEDS:
        shape = make_shape(category, np.random.default_rng(seed))
        assert (shape.stride_m > 0) == (len(shape.meshes) > 1)
        for mesh in shape.meshes:
            assert 20 <= len(mesh.faces) <= 1100
            assert np.isfinite(mesh.vertices).all() and areas_m2(mesh).min() > 1e-9
            assert mesh.material.max() < len(Material) and 0 <= mesh.albedo.min() and mesh.albedo.max() <= 1


@pytest.mark.parametrize("category", NUSCENES_MEAN_LWH)
def test_sizes_are_those_of_nuscenes(category: str) -> None:
    mean = np.mean([make_shape(category, np.random.default_rng(seed)).size_lwh for seed in range(60)], axis=0)
    assert mean == pytest.approx(NUSCENES_MEAN_LWH[category], rel=0.12)


def sizes(category: str, sort: str, count: int = 80) -> np.ndarray:
    return np.stack([make_shape(category, np.random.default_rng(seed), sort).size_lwh for seed in range(count)])


def test_semi_trailers_have_the_lengths_that_are_built() -> None:
    length, width, _ = sizes("vehicle.trailer", "semi").T
    assert np.abs(length[:, None] - [8.5, 12.2, 14.6, 16.2]).min(axis=1).max() < 0.31
    assert np.quantile(length, [0.1, 0.5, 0.9]) == pytest.approx([12.0, 14.8, 16.4], abs=0.7)
    assert np.median(width) == pytest.approx(2.75, abs=0.06)


def test_concrete_barriers_have_a_broad_foot_and_crowd_fences_a_narrow_one() -> None:
    assert sizes("movable_object.barrier", "jersey")[:, 0].min() >= 0.6
    assert np.median(sizes("movable_object.barrier", "jersey")[:, 0]) == pytest.approx(0.75, abs=0.05)
    assert np.median(sizes("movable_object.barrier", "crowd")[:, 0]) < 0.5


def test_what_stands_at_work_zones_is_a_small_trailer() -> None:
    size = sizes("vehicle.trailer", "site")
    assert size[:, 0].max() < 5.0 and size[:, 1].max() < 3.0 and size[:, 2].min() > 1.5


@pytest.mark.parametrize(("category", "sort"), SORTS)
def test_every_sort_is_of_its_category_and_fits_its_box(category: str, sort: str) -> None:
    for seed in range(4):
        shape = make_shape(category, np.random.default_rng(seed), sort)
        assert shape.category == category
        assert 20 <= len(shape.meshes[0].faces) <= 1100 and areas_m2(shape.meshes[0]).min() > 1e-9
        over = np.abs(shape.meshes[0].bounds) - shape.size_lwh / 2
        assert np.all(over < [0.03, OUTSIDE_M.get(category, 0.03), 0.03]) and np.all(over > -0.05)


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_seed_gives_the_same_bytes(category: str) -> None:
    first, second = (make_shape(category, np.random.default_rng(7)) for _ in range(2))
    assert first.size_lwh.tobytes() == second.size_lwh.tobytes()
    for one, other in zip(first.meshes, second.meshes, strict=True):
        assert [getattr(one, name).tobytes() for name in ("vertices", "faces", "material", "albedo")] == [
            getattr(other, name).tobytes() for name in ("vertices", "faces", "material", "albedo")]


@pytest.mark.parametrize("kind", CLUTTER)
def test_clutter_stands_on_the_ground_and_varies(kind: str) -> None:
    meshes = [make_clutter(kind, np.random.default_rng(seed)) for seed in range(4)]
    assert len({mesh.vertices.tobytes() for mesh in meshes}) == 4
    assert make_clutter(kind, np.random.default_rng(0)).vertices.tobytes() == meshes[0].vertices.tobytes()
    for mesh in meshes:
        assert 10 <= len(mesh.faces) <= 700 and areas_m2(mesh).min() > 1e-9
        assert -1.0 < mesh.bounds[0, 2] < 0.1 < mesh.bounds[1, 2]


def test_attributes_are_those_of_nuscenes() -> None:
    def pairs(category: str) -> set[tuple[str, str]]:
        shapes = (make_shape(category, np.random.default_rng(seed)) for seed in range(60))
        return {(shape.moving, shape.resting) for shape in shapes}

    assert pairs("vehicle.car") == {("vehicle.moving", "vehicle.parked")}
    assert pairs("vehicle.bicycle") == {("cycle.with_rider",) * 2, ("cycle.without_rider",) * 2}
    assert ("pedestrian.moving", "pedestrian.standing") in pairs("human.pedestrian.adult")
    assert pairs("movable_object.barrier") == {("", "")}


def test_wheelchairs_and_strollers_are_named_apart_and_are_no_detection_class() -> None:
    for category in ("human.pedestrian.wheelchair", "human.pedestrian.stroller"):
        assert make_shape(category, np.random.default_rng(0)).category == category and category not in DETECTION_NAME
    assert max(make_shape("human.pedestrian.adult", np.random.default_rng(seed)).size_lwh[0] for seed in range(60)) < 1.6


def test_a_rider_makes_a_cycle_taller() -> None:
    shapes = [make_shape("vehicle.motorcycle", np.random.default_rng(seed)) for seed in range(40)]
    heights = {rider: [s.size_lwh[2] for s in shapes if s.moving == rider] for rider in ("cycle.with_rider", "cycle.without_rider")}
    assert np.mean(heights["cycle.with_rider"]) > np.mean(heights["cycle.without_rider"]) + 0.2


def test_black_cars_swallow_beams() -> None:
    cars = [make_shape("vehicle.car", np.random.default_rng(seed)).meshes[0] for seed in range(80)]
    dark = [car for car in cars if np.any(car.material == Material.DARK_PAINT)]
    assert 0.1 < len(dark) / len(cars) < 0.5
    assert all(car.albedo[car.material == Material.DARK_PAINT].mean() < 0.1 for car in dark)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"category: expected one of .*vehicle\.car.*, got 'car'"):
        make_shape("car", np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"sort: expected one of semi, light, site, got 'jersey'"):
        make_shape("vehicle.trailer", np.random.default_rng(0), "jersey")
    with pytest.raises(ValueError, match="kind: expected one of .*hydrant.*, got 'well'"):
        make_clutter("well", np.random.default_rng(0))


def test_fitting_stretches_and_centres_a_box() -> None:
    body, mirror = Sculpt(), Sculpt()
    body.box((0, 0, 0), (1, 1, 1), int(Material.PAINT), (0.5, 0.5, 0.5))
    mirror.box((0, 1, 0), (1, 1.1, 1), int(Material.PAINT), (0.5, 0.5, 0.5))
    shape = fitted("vehicle.car", [body], (4.0, 2.0, 1.0), outside=mirror)
    assert np.allclose(shape.meshes[0].vertices[:8].max(axis=0), [2.0, 1.0, 0.5])
    assert np.allclose(shape.meshes[0].bounds, [[-2.0, -1.0, -0.5], [2.0, 1.2, 0.5]])


def test_a_hole_leaves_faces_out() -> None:
    body = Sculpt()
    rings = np.array([[[x, y, 0.0] for y in (0, 1, 2)] for x in (0, 1)], np.float64)
    body.loft(rings, np.array([[int(Material.PAINT), HOLE]]), (0.5, 0.5, 0.5))
    assert areas_m2(body.mesh()).sum() == pytest.approx(1.0)
