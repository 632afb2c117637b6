"""Rows of what stands side by side or end to end, and vehicles of several bodies."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fusion.simulate.actor import Actor
from fusion.simulate.shapes.shape import Shape
from fusion.simulate.world.barriers import barrier_row
from fusion.simulate.world.combination import Combination, bendy_bus, semi, towed
from fusion.simulate.world.land import make_land
from fusion.simulate.world.lots import Lot
from fusion.simulate.world.open_lots import car_park
from fusion.simulate.world.people import pushed, walk
from fusion.simulate.world.plan import Plan, Street
from fusion.simulate.world.pool import Pool
from fusion.simulate.world.site import Site
from fusion.simulate.world.trailer_yards import docks, row, trailer_yard
from fusion.simulate.world.warp import Warp


def empty_site(seed: int = 0) -> Site:
    """One street along x at y = 985 and a way of 60 m beside it."""
    rng = np.random.default_rng(seed)
    plan = Plan(character="industrial", streets=(Street(axis=0, at=0.0),), junctions=(), blocks=())
    warp = Warp(yaw_rad=0.0, mirror=False, bend_m=(0.0, 0.0), length_m=(50.0, 50.0), phase_rad=(0.0, 0.0), offset_xy=(1030.0, 985.0))
    way = np.column_stack([np.linspace(1000, 1060, 61), np.full(61, 1000.0)])
    return Site(land=make_land(plan, warp, way, [], rng), pool=Pool(np.random.default_rng(seed + 1)), rng=rng)


def a_lot(depth_m: float = 56.0, kind: str = "trailers") -> Lot:
    """60 m wide, its front 10 m beside the way."""
    return Lot(kind=kind, front_xy=np.array([1030.0, 1010.0]), yaw=0.0, width_m=60.0, depth_m=depth_m, drive_m=-15.0, curb_m=3.0)


def boxes(actors: list[Actor], category: str) -> np.ndarray:
    return np.array([actor.box(0.0) for actor in actors if actor.category == category]).reshape(-1, 7)


def side_gaps(rows: np.ndarray) -> np.ndarray:
    """Room between the sides of `(N, 7)` boxes that head along +y or -y and the nearest one to their right that they stand beside."""
    order = rows[np.argsort(rows[:, 0])]
    return (order[1:, 0] - order[1:, 4] / 2) - (order[:-1, 0] + order[:-1, 4] / 2)


def test_a_row_of_trailers_is_close_and_its_ends_are_in_line() -> None:
    site = empty_site()
    trailers = [Combination(bodies=(site.pool.shape("vehicle.trailer", sort="semi"),)) for _ in range(9)]
    x = np.concatenate([[0.0], np.cumsum([(a.width_m + b.width_m) / 2 + 0.35 for a, b in pairwise(trailers)])])
    assert row(site, a_lot(), list(zip(x - 15.0, trailers, strict=True)), 2.0, 1, -1) == 9
    stand = boxes(site.actors, "vehicle.trailer")
    assert side_gaps(stand) == pytest.approx(0.35, abs=0.02)
    assert np.ptp(stand[:, 1] - stand[:, 3] / 2) < 1.0  # ends in line
    assert np.all(stand[:, 1] - stand[:, 3] / 2 > 1010 + 1.5)  # behind the front
    assert np.allclose(stand[:, 6], -np.pi / 2, atol=0.011)
    assert len(set(site.groups)) == 1


def test_a_yard_has_rows_and_trailers_have_a_neighbour_nearer_than_a_metre() -> None:
    gaps = []
    for seed in range(6):
        site = empty_site(seed)
        trailer_yard(site, a_lot())
        stand = boxes(site.actors, "vehicle.trailer")
        for y in (stand[:, 1] < 1030, stand[:, 1] >= 1030):
            gaps.append(side_gaps(stand[y]))
    every = np.concatenate(gaps)
    assert len(every) > 25 and every.min() > 0.0
    assert (every < 1.0).mean() > 0.75 and 0.15 < np.median(every) < 0.7


def test_trailers_at_docks_end_at_the_gates() -> None:
    site = empty_site(3)
    docks(site, a_lot(kind="docks"))
    stand = boxes(site.actors, "vehicle.trailer")
    assert len(stand) >= 4
    assert np.ptp(stand[:, 1] + stand[:, 3] / 2) < 1.0
    tail = stand[:, 1] + stand[:, 3] / 2
    wall = min(m.vertices[m.vertices[:, 2] > m.vertices[:, 2].min() + 6, 1].min() for m in site.meshes if np.ptp(m.vertices[:, 2]) > 7)
    assert np.all(tail < wall) and np.all(tail > wall - 2.5)


def car_parks(count: int) -> list[list[Actor]]:
    """Vehicles of each of several car parks."""
    site, parks = empty_site(), []
    for _ in range(count):
        site = Site(land=site.land, pool=site.pool, rng=site.rng)
        car_park(site, a_lot(kind="parking"))
        parks.append([actor for actor in site.actors if actor.category.startswith("vehicle")])
    return parks


def test_car_parks_hold_what_fits_into_a_bay() -> None:
    vehicles = [actor for park in car_parks(6) for actor in park]
    assert len(vehicles) > 40
    assert max(actor.size_lwh[0] for actor in vehicles) < 7.6
    assert {actor.category for actor in vehicles} <= {"vehicle.car", "vehicle.truck", "vehicle.motorcycle", "vehicle.trailer"}


def test_most_car_parks_are_rather_empty_and_some_are_full() -> None:
    count = np.array([len(park) for park in car_parks(24)])
    assert (count > 0).mean() > 0.9
    assert np.median(count) < 0.45 * count.max()


def test_a_long_trailer_is_tried_elsewhere_before_it_is_given_up() -> None:
    site = empty_site()
    whole = Combination(bodies=(site.pool.shape("vehicle.trailer", sort="semi"),))
    site.take(np.array([1030.0, 1000.0]), 0.0, 20.0, 20.0)
    drawn = iter([np.array([1030.0, 1000.0]), np.array([1035.0, 1004.0]), np.array([1030.0, 1020.0])])
    assert site.find(whole, lambda: (next(drawn), 0.0), tries=3)
    assert boxes(site.actors, "vehicle.trailer")[0, :2] == pytest.approx([1030.0, 1020.0])
    assert not site.find(whole, lambda: (np.array([1030.0, 1020.0]), 0.0), tries=3)


@pytest.mark.parametrize("sort", ["jersey", "plastic", "crowd"])
def test_a_row_of_barriers_is_closed_and_of_one_shape(sort: str) -> None:
    site = empty_site()
    angle = np.linspace(0, 0.5, 60)
    line = np.array([1010.0, 1000.0]) + 80 * np.column_stack([np.sin(angle), 1 - np.cos(angle)])  # gently curved, 40 m
    count = barrier_row(site, line, sort=sort)
    stand = boxes(site.actors, "movable_object.barrier")
    assert count == len(stand) >= 9
    assert np.ptp(stand[:, 3:6], axis=0).max() == 0
    ends = [stand[:, :2] + s * stand[:, 4:5] / 2 * np.column_stack([-np.sin(stand[:, 6]), np.cos(stand[:, 6])]) for s in (-1, 1)]
    gaps = np.minimum(np.hypot(*(ends[0][1:] - ends[1][:-1]).T), np.hypot(*(ends[1][1:] - ends[0][:-1]).T))
    assert gaps.max() < 0.2
    off = np.hypot(*(stand[:, :2] - [1010.0, 1080.0]).T) - 80
    assert np.abs(off).max() < 0.15


def test_a_row_of_barriers_leaves_out_what_has_no_room_and_its_fence_stands_behind() -> None:
    for seed in range(8):
        site = empty_site(seed)
        site.take(np.array([1030.0, 1000.0]), 0.0, 1.0, 1.0)
        count = barrier_row(site, np.column_stack([np.linspace(1010, 1050, 41), np.full(41, 1000.0)]), 1, "jersey")
        stand = boxes(site.actors, "movable_object.barrier")
        assert 7 <= count <= 20 and not (np.abs(stand[:, 0] - 1030) < stand[0, 4] / 2 + 0.3).any()
        for fence in site.meshes:
            assert fence.vertices[:, 1].min() > 1000 + stand[0, 3] / 2 - 0.06


def nose_to_tail_m(whole: Combination) -> np.ndarray:
    """Room between each body and the next."""
    lengths = np.array([body.size_lwh[0] for body in whole.bodies])
    shifts = np.array(whole.shifts())
    assert shifts[0] + lengths[0] / 2 == pytest.approx(whole.length_m / 2) and shifts[-1] - lengths[-1] / 2 == pytest.approx(-whole.length_m / 2)
    return (shifts[:-1] - lengths[:-1] / 2) - (shifts[1:] + lengths[1:] / 2)


def test_full_size_trailers_rest_on_tractors_and_small_ones_follow_light_vehicles() -> None:
    pool, rng = Pool(np.random.default_rng(0)), np.random.default_rng(1)
    for _ in range(12):
        big, small = semi(pool, rng), towed(pool, rng)
        assert [body.category for body in big.bodies] == ["vehicle.truck", "vehicle.trailer"]
        assert big.bodies[1].size_lwh[0] > 8 and -1.3 <= nose_to_tail_m(big)[0] <= -0.7
        assert small.bodies[1].size_lwh[0] < 8 and small.bodies[0].size_lwh[0] < 9 and 0 <= nose_to_tail_m(small)[0] <= 0.1
        assert 12 < big.length_m < 26


def test_a_bendy_bus_is_two_sections_that_touch() -> None:
    bus = bendy_bus(Pool(np.random.default_rng(0)))
    assert [body.category for body in bus.bodies] == ["vehicle.bus.bendy"] * 2
    assert nose_to_tail_m(bus) == pytest.approx(0.0, abs=1e-9) and 16.4 < bus.length_m < 19.1


def test_a_stroller_rolls_ahead_of_who_pushes_it() -> None:
    pool = Pool(np.random.default_rng(0))
    walker = walk(pool.shape("human.pedestrian.adult", "moves"), Warp.random(np.random.default_rng(2)), np.array([[0.0, 0.0], [30.0, 0.0]]),
                  np.array([-10.0, 12.0]), 10.0, 5)
    shape: Shape = pool.shape("human.pedestrian.stroller")
    mover = pushed(shape, walker)
    ahead = (mover.poses - walker.poses)[:, :2]
    heading = np.column_stack([np.cos(walker.poses[:, 2]), np.sin(walker.poses[:, 2])])
    assert mover.group == 5 and mover.shape.category == "human.pedestrian.stroller"
    assert np.allclose(ahead, heading * ((shape.size_lwh[0] + walker.shape.size_lwh[0]) / 2 + 0.1))
