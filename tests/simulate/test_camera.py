"""Simulated photographs: geometry to the pixel, occlusion, light."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from fusion.geometry.projection import project
from fusion.geometry.transforms import invert, transform_points
from fusion.simulate.actor import Actor, Track
from fusion.simulate.camera.raster import View, draw
from fusion.simulate.camera.simulator import CameraSimulator, Picture
from fusion.simulate.camera.tracks import Tracks, matrices
from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.point_classes import thing_classes
from fusion.simulate.primitives import box, quad
from fusion.simulate.rig import CameraMount
from fusion.simulate.scenery import Scenery, Weather

MOUNT = CameraMount(name="CAM_TEST", size_wh=(160, 90), focal_px=126.0, centre_px=(79.5, 44.5), position_m=(1.0, 0.0, 1.5))
SOLID = np.zeros(64, np.uint8)


def _view(mount: CameraMount = MOUNT) -> View:
    return View(view_T_origin=invert(mount.ego_T_cam), lens=(mount.focal_px, mount.focal_px, *mount.centre_px), size_wh=mount.size_wh)


def _draw(mesh: Mesh, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Depth (inf where nothing is) and face of every pixel."""
    nearness, face = np.zeros(view.size_wh[::-1], np.float32), np.full(view.size_wh[::-1], -1, np.int32)
    draw(mesh.vertices[mesh.faces], np.zeros(len(mesh.faces), np.uint8), np.array([[0, len(mesh.faces)]]), view.view_T_origin[None], view,
         nearness, face)
    with np.errstate(divide="ignore"):
        return 1 / nearness.astype(np.float64), face


def _weather(name: str = "day") -> Weather:
    sun, sky = ((1.0, 0.95, 0.85), (0.35, 0.4, 0.5)) if name != "night" else ((0.004, 0.004, 0.005), (0.01, 0.01, 0.014))
    return Weather(name=name, to_sun=np.array([0.48, 0.36, 0.8]), sun_rgb=np.array(sun), ambient_rgb=np.array(sky),  # type: ignore[arg-type]
                   zenith_rgb=np.array(sky) * 0.8, horizon_rgb=np.array(sky) * 1.3, clouds=0.0, rain_mm_h=4.0 if name == "rain" else 0.0)


def _ground() -> Mesh:
    return quad(np.array([[-40, -40, 0], [60, -40, 0], [60, 40, 0], [-40, 40, 0]]), Material.ASPHALT, (0.12, 0.12, 0.12))


def _actor(x: float, y: float, size: tuple[float, float, float] = (4.0, 2.0, 1.6)) -> Actor:
    return Actor(category="vehicle.car", size_lwh=np.array(size), meshes=(box(size, Material.PAINT, (0.5, 0.1, 0.1)),),
                 track=Track.at_rest(x, y, size[2] / 2, 0.0), moving="vehicle.moving", resting="vehicle.parked")


def _scenery(actors: tuple[Actor, ...] = (), extra: tuple[Mesh, ...] = (), name: str = "day") -> Scenery:
    static = join([_ground(), *extra])
    return Scenery(static=static, static_classes=thing_classes(static), actors=actors, ego=Track.at_rest(0, 0, 0, 0),
                   ego_body=Mesh.empty(), weather=_weather(name), duration_s=20.0, drivable=np.zeros((4, 4), np.uint8))


def _picture(scenery: Scenery, seed: int = 0, mount: CameraMount = MOUNT) -> Picture:
    return CameraSimulator(scenery).render(mount, 1.0, np.random.default_rng(seed))


def test_a_box_covers_the_hull_of_its_projected_corners() -> None:
    mesh = box((4.0, 2.0, 1.5), Material.PAINT, (1, 0, 0), centre=(12.0, 1.0, 0.75))
    _, face = _draw(mesh, _view())
    uv, _ = project(transform_points(invert(MOUNT.ego_T_cam), mesh.vertices), MOUNT.intrinsics)
    rows, columns = np.nonzero(face >= 0)
    assert columns.min() == np.ceil(uv[:, 0].min()) and columns.max() == np.floor(uv[:, 0].max())
    assert rows.min() == np.ceil(uv[:, 1].min()) and rows.max() == np.floor(uv[:, 1].max())


def test_depth_of_the_ground_is_analytic() -> None:
    depth, face = _draw(_ground(), _view())
    for row in (50, 60, 89):
        np.testing.assert_allclose(depth[row, 20], 1.5 * 126.0 / (row - 44.5), rtol=1e-5)
    assert (face[:40] == -1).all()


def test_neighbouring_triangles_leave_no_gap_and_share_no_pixel() -> None:
    rng = np.random.default_rng(3)
    inner = rng.uniform(-1.5, 1.5, (40, 2))
    from scipy.spatial import Delaunay

    points = np.concatenate([inner, [[-4, -4], [4, -4], [4, 4], [-4, 4]]])
    faces = Delaunay(points).simplices
    vertices = np.column_stack([np.full(len(points), 4.0), points])
    whole, seen = _draw(Mesh.of(vertices, faces, Material.PAINT, (1, 1, 1)), replace(_view(), size_wh=(160, 90)))
    assert (seen >= 0).all() and np.allclose(whole, 3.0, rtol=1e-5)
    alone = [(_draw(Mesh.of(vertices, faces[k:k + 1], Material.PAINT, (1, 1, 1)), _view())[1] >= 0) for k in range(len(faces))]
    assert (np.sum(alone, axis=0) == 1).all()


def test_a_triangle_that_passes_behind_the_camera_is_cut() -> None:
    triangle = Mesh.of(np.array([[-30, -20, 0], [-30, 20, 0], [40, 0, 0]]), np.array([[0, 1, 2]]), Material.ASPHALT, (1, 1, 1))
    depth, face = _draw(triangle, _view())
    assert face[89, 80] == 0 and face[30, 80] == -1
    np.testing.assert_allclose(depth[80, 80], 1.5 * 126.0 / (80 - 44.5), rtol=1e-5)


def test_parallel_light_sees_heights() -> None:
    view = View(view_T_origin=np.diag([1.0, -1.0, -1.0, 1.0]), lens=(4.0, 4.0, 20.0, 20.0), size_wh=(41, 41), parallel=True)
    mesh = box((2.0, 2.0, 3.0), Material.PAINT, (1, 1, 1), centre=(0, 0, 1.5))
    nearness, face = np.full((41, 41), -np.inf, np.float32), np.zeros((0, 0), np.int32)
    draw(mesh.vertices[mesh.faces], SOLID[:12], np.array([[0, 12]]), view.view_T_origin[None], view, nearness, face)
    assert nearness[20, 20] == 3.0 and np.isneginf(nearness[5, 20]) and 64 <= np.isfinite(nearness).sum() <= 81


def test_a_wall_hides_half_of_a_box() -> None:
    actor = _actor(20.0, 0.0)
    free = _picture(_scenery((actor,)))
    assert free.visible_px[0] == free.alone_px[0] > 100
    wall = quad(np.array([[10, 0, 0], [10, 8, 0], [10, 8, 4], [10, 0, 4]]), Material.CONCRETE, (0.5, 0.5, 0.5))
    half = _picture(_scenery((actor,), (wall,)))
    assert half.alone_px[0] == free.alone_px[0]
    assert abs(half.visible_px[0] / half.alone_px[0] - 0.5) < 0.05


def test_pixels_are_counted_inside_the_image_only() -> None:
    picture = _picture(_scenery((_actor(-15.0, 0.0), _actor(8.0, 0.0, (4.0, 60.0, 30.0)))))
    assert picture.alone_px[0] == picture.visible_px[0] == 0
    assert picture.alone_px[1] == 160 * 83  # its foot, 5 m ahead, is at row 44.5 + 1.5 * 126 / 5 = 82.3


def test_the_same_seed_gives_the_same_bytes() -> None:
    scenery = _scenery((_actor(15.0, 3.0),))
    simulator = CameraSimulator(scenery)
    first = simulator.render(MOUNT, 1.0, np.random.default_rng(5))
    simulator.render(MOUNT.scaled(2.0), 7.0, np.random.default_rng(1))
    again = simulator.render(MOUNT, 1.0, np.random.default_rng(5))
    assert first.image.tobytes() == again.image.tobytes() == _picture(scenery, 5).image.tobytes()
    assert first.image.tobytes() != _picture(scenery, 6).image.tobytes()


def test_another_camera_of_the_same_make_has_another_tint() -> None:
    """Same noise, same scene: what differs is what the sensor is."""
    simulator = CameraSimulator(_scenery((_actor(15.0, 3.0),)))
    tints = [simulator.render(replace(MOUNT, individual=which), 1.0, np.random.default_rng(5)).image.mean(axis=(0, 1)) for which in (1, 2)]
    assert 0.5 < np.abs(tints[0] - tints[1]).max() < 60
    assert 0.002 < np.ptp(tints[0] / tints[1]) < 0.15


def test_threads_do_not_change_a_picture() -> None:
    simulator = CameraSimulator(_scenery((_actor(15.0, 3.0), _actor(-12.0, -3.0)), name="rain"))
    mounts = [replace(MOUNT, name=f"CAM_{yaw}", yaw_deg=float(yaw)) for yaw in range(0, 360, 60)]

    def bytes_of(mount: CameraMount) -> bytes:
        return simulator.render(mount, 1.0, np.random.default_rng(2)).image.tobytes()

    alone = [bytes_of(mount) for mount in mounts]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(bytes_of, mounts)) == alone


def test_all_tracks_at_once_agree_with_each_actor() -> None:
    track = Track(times_s=np.array([0.0, 2.0, 3.0]), poses=np.array([[0, 0, 1, 0, 0, 0], [4, 2, 1, 1, 0.1, 0.2], [5, 2, 2, 2, 0, 0]], np.float64))
    gait = tuple(box((1, 1, 1 + k), Material.CLOTH, (1, 1, 1)) for k in range(4))
    actors = (replace(_actor(3.0, 1.0), track=track), replace(_actor(1.0, 1.0), track=track, meshes=gait, stride_m=1.5), _actor(9.0, 2.0))
    tracks = Tracks.of(actors)
    for t_s in (-1.0, 0.0, 1.3, 2.0, 2.9, 7.0):
        poses = tracks.at(t_s)
        np.testing.assert_allclose(matrices(poses), [actor.track.matrix(t_s) for actor in actors], atol=1e-12)
        assert all(actor.meshes[k] is actor.mesh_at(t_s) for actor, k in zip(actors, tracks.phase(poses), strict=True))


def test_night_is_darker_and_the_sky_is_where_nothing_is() -> None:
    day, night = _picture(_scenery()), _picture(_scenery(name="night"))
    assert night.image.mean() < 0.6 * day.image.mean()
    sky, road = day.image[:20].reshape(-1, 3).mean(axis=0), day.image[70:].reshape(-1, 3).mean(axis=0)
    assert sky[2] > sky[0] + 5 and abs(road[2] - road[0]) < abs(sky[2] - sky[0])


def test_wet_ground_mirrors_what_stands_on_it() -> None:
    actor = replace(_actor(14.0, 0.0), meshes=(box((4.0, 2.0, 1.6), Material.CLOTH, (0.9, 0.05, 0.05)),))
    mirrored, _ = project(transform_points(invert(MOUNT.ego_T_cam), np.array([[12.0, 0.0, -1.1]])), MOUNT.intrinsics)
    column, row = np.rint(mirrored[0]).astype(int)
    red = {name: _picture(_scenery((actor,), name=name)).image[row, column].astype(int) @ [2, -1, -1] for name in ("day", "rain")}
    assert red["rain"] > red["day"] + 15


def test_a_car_casts_a_shadow_away_from_the_sun() -> None:
    with_car, without = (_picture(_scenery(actors)).image.astype(int).mean(axis=2) for actors in ((_actor(9.0, 0.0),), ()))
    centre = transform_points(invert(MOUNT.ego_T_cam), np.array([[8.0, -1.6, 0.0], [8.0, 1.8, 0.0]]))
    (shaded, lit), _ = project(centre, MOUNT.intrinsics)
    change = without - with_car
    assert change[round(shaded[1]), round(shaded[0])] > 20
    assert change[round(lit[1]), round(lit[0])] < 15


@pytest.mark.parametrize("size", [(160, 90), (1000, 600)])
def test_every_size_gives_a_picture(size: tuple[int, int]) -> None:
    mount = MOUNT.scaled(size[0] / 160)
    picture = _picture(_scenery((_actor(12.0, 0.0),)), mount=mount)
    assert picture.image.shape == (*mount.size_wh[::-1], 3) and picture.image.dtype == np.uint8
    assert picture.image.std() > 5
