"""What each point of a simulated sweep lies on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nuscenes.utils.color_map import get_colormap
from toy_lidar import EXACT, FEW, STRAIGHT, WHITE, car, scenery_of, wall

from fusion.geometry.transforms import invert, transform_points
from fusion.simulate.actor import Actor, Track
from fusion.simulate.lidar.returns import Receiver
from fusion.simulate.lidar.seen import seen_at
from fusion.simulate.lidar.simulator import LidarSimulator
from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.point_classes import POINT_CLASSES, point_class, thing_classes
from fusion.simulate.primitives import box, quad
from fusion.simulate.record.vocabulary import BACKGROUND, CATEGORIES
from fusion.simulate.rig import Rig

MANY = replace(FEW, elevations_deg=tuple(np.linspace(-30, 10, 32)), azimuth_steps=1084, rate_hz=20.0)


def names(labels: np.ndarray) -> set[str]:
    return {POINT_CLASSES[label] for label in np.unique(labels)}


def test_classes_are_nuscenes_own_in_its_order() -> None:
    assert list(POINT_CLASSES) == list(get_colormap())
    assert set(POINT_CLASSES) == {*CATEGORIES, *BACKGROUND}
    assert (point_class("noise"), point_class("vehicle.car"), point_class("vehicle.ego")) == (0, 17, 31)
    with pytest.raises(ValueError, match=r"point class 'vehicle\.cra': expected one of \['noise', 'animal'"):
        point_class("vehicle.cra")


def test_things_are_man_made_unless_they_grew_and_low_grass_is_terrain() -> None:
    def of(material: Material, height: float) -> str:
        (name,) = names(thing_classes(quad(np.array([[0, 0, 3], [1, 0, 3], [1, 0, 3 + height], [0, 0, 3 + height]]), material, WHITE)))
        return name

    assert of(Material.BRICK, 1.0) == of(Material.METAL, 0.1) == "static.manmade"
    assert of(Material.FOLIAGE, 0.1) == of(Material.BARK, 2.0) == of(Material.GRASS, 0.3) == "static.vegetation"
    assert of(Material.GRASS, 0.15) == "flat.terrain"
    assert of(Material.SOIL, 1.0) == "static.other"


def _half(y: float) -> Mesh:
    """Flat ground beside the way of `STRAIGHT`, 200 m along it, 40 m across, its middle at `y`."""
    return quad(np.array([[940.0, y - 20, 0], [1140, y - 20, 0], [1140, y + 20, 0], [940, y + 20, 0]]), Material.CONCRETE, WHITE)


@pytest.mark.parametrize("receiver", [EXACT, Receiver()])
def test_labels_say_what_was_met_of_a_sweep_from_a_moving_car(receiver: Receiver) -> None:
    """Road to the left and sidewalk to the right of one material, a wall, a parked and an oncoming car, a person, the own roof."""
    road, walk, house = _half(2020.0), _half(1980.0), box((100.0, 1.0, 8.0), Material.BRICK, WHITE, centre=(1040.0, 2015.0, 4.0))
    coming = car(Track(times_s=np.array([0.0, 10.0]), poses=np.array([[1090.0, 2008, 1.0, np.pi, 0, 0], [890, 2008, 1.0, np.pi, 0, 0]])))
    person = Actor(category="human.pedestrian.adult", size_lwh=np.array([0.8, 0.8, 1.8]), track=Track.at_rest(1046, 1994, 0.9, 0.0),
                   meshes=(box((0.8, 0.8, 1.8), Material.CLOTH, WHITE),))
    actors = [car(Track.at_rest(1035, 1992, 1.0, 0.4)), coming, person]
    scenery = scenery_of(join([road, walk, house]), actors, ego=STRAIGHT, body=box((0.6, 0.6, 0.1), Material.PAINT, WHITE, centre=(1.2, 0.0, 1.6)))
    flat = np.repeat([point_class("flat.driveable_surface"), point_class("flat.sidewalk")], 2)
    scenery = replace(scenery, static_classes=np.concatenate([flat, scenery.static_classes[4:]]).astype(np.uint8))
    sweep = LidarSimulator(scenery, MANY, receiver).sweep(2.0, np.random.default_rng(0))
    assert sweep.label.shape == (len(sweep.points),) and sweep.label.dtype == np.uint8
    assert names(sweep.label) == {"noise", "vehicle.car", "human.pedestrian.adult", "flat.driveable_surface", "flat.sidewalk", "static.manmade",
                                  "vehicle.ego"}
    at = transform_points(STRAIGHT.matrix(2.0) @ MANY.ego_T_lidar, sweep.points[:, :3])
    on = {name: at[sweep.label == point_class(name)] for name in names(sweep.label)}
    near_m = 0.06 if receiver.range_noise_m else 1e-3
    assert on["flat.driveable_surface"][:, 1].min() > 2000 - near_m and on["flat.sidewalk"][:, 1].max() < 2000 + near_m
    assert np.quantile(np.abs(on["flat.sidewalk"][:, 2]), 0.99) < near_m
    assert np.quantile(np.abs(on["static.manmade"][:, 1] - 2014.5), 0.97) < max(near_m, 0.002)  # a few lie on its end
    inside = np.zeros(len(at), bool)
    seen = seen_at(scenery, Rig(cameras=(), lidar=MANY), 2.0)
    for row, actor in enumerate(actors):
        own = np.abs(transform_points(invert(actor.track.matrix(float(seen[row]))), at)) / (actor.size_lwh / 2)
        labelled = sweep.label == point_class(actor.category)
        middle = (own < [0.96, 0.96, 0.9]).all(axis=1)  # none but its own: a face's points lie on it
        assert labelled[(own < [1.03, 1.03, 0.98]).all(axis=1) & (own[:, 2] > -0.9)].mean() > 0.9
        assert labelled[middle].all()
        inside |= (own * actor.size_lwh / 2 <= actor.size_lwh / 2 + 0.45 * (receiver.beam_rad > 0) + 0.05).all(axis=1)
    assert inside[np.isin(sweep.label, [point_class("vehicle.car"), point_class("human.pedestrian.adult")])].all()


def test_drops_and_beams_without_return_are_noise() -> None:
    scenery = scenery_of(wall(15.0), rain_mm_h=40.0)
    sweep = LidarSimulator(scenery, MANY, EXACT).sweep(1.0, np.random.default_rng(0))
    range_m, noise = np.linalg.norm(sweep.points[:, :3], axis=1), sweep.label == point_class("noise")
    assert names(sweep.label) == {"noise", "static.manmade"}
    assert noise[range_m == 0].all() and (noise & (range_m > 0)).sum() > 50
    np.testing.assert_allclose(sweep.points[~noise, 1], 15.0, atol=2e-3)
    assert (sweep.points[noise, 1] < 15.0 - 1e-3).all()
