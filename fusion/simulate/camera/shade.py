"""The lighting pass: sun with shadows, sky, lamps, reflections, wet ground and haze on the surfaces that the pixels see."""

from __future__ import annotations

import numpy as np

from fusion.geometry.transforms import invert
from fusion.simulate.camera.faces import STATIC, Faces, Posed
from fusion.simulate.camera.ground_light import CELL_M, SIDE, GroundLight
from fusion.simulate.camera.kernel import Scalar, fast_kernel
from fusion.simulate.camera.patterns import NAMES, TILE_PX, atlas
from fusion.simulate.camera.raster import View
from fusion.simulate.camera.shadow import Shadow
from fusion.simulate.materials import MATERIALS, Material
from fusion.simulate.scenery import Weather

_GLOSS = np.array([MATERIALS[material].gloss for material in Material], np.float32)
_GLOW = np.array([MATERIALS[material].glow for material in Material], np.float32)
_GLOW_RGB = np.full((len(Material), 3), -1.0, np.float32)  # below 0: a face glows in its own colour
_GLOW_RGB[Material.FACADE_GLASS] = 0.9, 0.68, 0.4
_SOFT = np.zeros(len(Material), np.float32)
_SOFT[Material.FOLIAGE], _SOFT[Material.GRASS] = 0.45, 0.25
_METAL = np.zeros(len(Material), np.float32)
_METAL[Material.METAL] = 1.0


def shade(faces: Faces, posed: Posed, view: View, weather: Weather, shadow: Shadow, ground: GroundLight, half_height_m: np.ndarray,
          lamps_on: np.ndarray, nearness: np.ndarray, face: np.ndarray, samples: int, image: np.ndarray) -> None:
    """Turn `image` `(H, W, 4)` float32 from `surface`'s colours into light, linear RGB; the sky where no face is.

    Args:
        faces, posed: the scene at the shutter time.
        view: of the image.
        weather: light and air.
        shadow, ground: maps around the ego car.
        half_height_m: `(O,)` float32 half height of every owner's box, 0 for owners without one.
        lamps_on: `(O,)` float32 brightness of every owner's lamps, relative to the material's glow.
        nearness, face: `(H, W)` from `draw`.
        samples: 2 where two by two samples make a pixel: a face is then lit once per pixel. Else 1.
        image: changed; its fourth channel keeps how strongly wet ground mirrors, for `wet.reflect`.
    """
    origin_T_view = invert(view.view_T_origin)[:3].astype(np.float32)
    # Light from the sky has been on walls and ground before: half of its colour is gone.
    ambient = 0.5 * weather.ambient_rgb + 0.5 * weather.ambient_rgb.mean()
    light = np.stack([weather.to_sun, weather.sun_rgb, ambient, weather.zenith_rgb, weather.horizon_rgb]).astype(np.float32)
    wet = np.float32(min(1.0, weather.rain_mm_h / 3.0))
    texels, start, _ = atlas()
    level = 3
    side = TILE_PX >> level
    clouds = (texels[NAMES.index("large"), start[level]:start[level] + side * side] & 255).reshape(side, side).astype(np.float32) / 96.0
    owner_up = posed.owner_T_origin[:, 2, :].astype(np.float32)
    origin_T_owner = posed.origin_T_owner[:, :3].astype(np.float32)
    _shade(faces.normal, faces.material, faces.owner, origin_T_owner, owner_up, origin_T_view, np.array(view.lens, np.float32), light,
           weather.name == "night", np.float32(weather.extinction_per_m), np.float32(weather.clouds), wet, clouds, shadow.nearness,
           shadow.map_T_origin, ground.cells, ground.low_xy, half_height_m, lamps_on, _GLOSS, _GLOW, _GLOW_RGB, _SOFT, _METAL, nearness, face,
           samples, image)


@fast_kernel
def _sky(dx: Scalar, dy: Scalar, dz: Scalar, light: np.ndarray, cover: Scalar, clouds: np.ndarray, out: np.ndarray) -> None:
    """Linear RGB of the sky in a unit direction of the origin frame."""
    one, up = np.float32(1), max(dz, np.float32(0))
    t = np.float32(1) - (np.float32(1) - up) ** 3
    for c in range(3):
        out[c] = light[4, c] + (light[3, c] - light[4, c]) * t
    if dz > np.float32(0.02) and cover > 0:
        side = clouds.shape[0]
        u, v = dx / (dz + np.float32(0.12)) * np.float32(5.0), dy / (dz + np.float32(0.12)) * np.float32(9.0)
        i, j = int(np.floor(u)), int(np.floor(v))
        s, q = u - np.float32(i), v - np.float32(j)
        i0, j0 = i & (side - 1), j & (side - 1)
        i1, j1 = (i0 + 1) & (side - 1), (j0 + 1) & (side - 1)
        value = (clouds[j0, i0] * (one - s) + clouds[j0, i1] * s) * (one - q) + (clouds[j1, i0] * (one - s) + clouds[j1, i1] * s) * q
        edge = np.float32(1.55) - np.float32(1.3) * cover
        amount = min(max((value - edge) / np.float32(0.5), np.float32(0)), np.float32(1)) * min(dz * np.float32(8), np.float32(1)) * np.float32(0.75)
        for c in range(3):
            white = np.float32(0.55) * light[4, c] + np.float32(0.35) * light[1, c] + np.float32(0.25) * light[2, c]
            out[c] += amount * (white - out[c])
    toward = max(dx * light[0, 0] + dy * light[0, 1] + dz * light[0, 2], np.float32(0))
    open_sky = np.float32(1) - cover
    if toward > np.float32(0.7) and open_sky > 0:
        p4 = toward ** 8
        halo = np.float32(0.10) * p4 ** 2 + np.float32(0.5) * p4 ** 16 + np.float32(3.0) * p4 ** 100
        if toward > np.float32(0.99996):
            halo += np.float32(40)
        for c in range(3):
            out[c] += open_sky * halo * light[1, c]


@fast_kernel
def _lit(shadow: np.ndarray, m: np.ndarray, x: Scalar, y: Scalar, z: Scalar) -> Scalar:
    """Share of the sun that reaches a point: four texels of the map, mixed by how close they are."""
    one = np.float32(1)
    side = shadow.shape[0]
    u = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
    v = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
    if not (u >= 0 and v >= 0 and u < side - 1 and v < side - 1):
        return np.float32(1)
    q = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3] + np.float32(0.04)
    i, j = int(u), int(v)
    s, t = u - np.float32(i), v - np.float32(j)
    top = np.float32(0)
    if q >= shadow[j, i]:
        top += (one - s) * (one - t)
    if q >= shadow[j, i + 1]:
        top += s * (one - t)
    if q >= shadow[j + 1, i]:
        top += (one - s) * t
    if q >= shadow[j + 1, i + 1]:
        top += s * t
    return top


@fast_kernel
def _ground(cells: np.ndarray, low: np.ndarray, x: Scalar, y: Scalar, channels: int, out: np.ndarray) -> None:
    """The ground map at a point: `out` (5,)."""
    one = np.float32(1)
    u, v = (x - low[0]) / np.float32(CELL_M) - np.float32(0.5), (y - low[1]) / np.float32(CELL_M) - np.float32(0.5)
    if not (u >= 0 and v >= 0 and u < SIDE - 1 and v < SIDE - 1):
        out[:] = 0
        return
    i, j = int(u), int(v)
    s, t = u - np.float32(i), v - np.float32(j)
    a, b, d, e = (one - s) * (one - t), s * (one - t), (one - s) * t, s * t
    out[1] = max(cells[j, i, 1], cells[j, i + 1, 1], cells[j + 1, i, 1], cells[j + 1, i + 1, 1])
    for c in range(channels):
        if c != 1:
            out[c] = a * cells[j, i, c] + b * cells[j, i + 1, c] + d * cells[j + 1, i, c] + e * cells[j + 1, i + 1, c]


@fast_kernel
def _shade(normal: np.ndarray, material: np.ndarray, owner: np.ndarray, origin_T_owner: np.ndarray, owner_up: np.ndarray,
           origin_T_view: np.ndarray, lens: np.ndarray, light: np.ndarray, night: bool, extinction: Scalar, cover: Scalar, wet: Scalar,
           clouds: np.ndarray, shadow: np.ndarray, map_T_origin: np.ndarray, cells: np.ndarray, low_xy: np.ndarray, half_height: np.ndarray,
           lamps_on: np.ndarray, gloss_of: np.ndarray, glow_of: np.ndarray, glow_rgb: np.ndarray, soft_of: np.ndarray, metal_of: np.ndarray,
           nearness: np.ndarray, face: np.ndarray, samples: int, image: np.ndarray) -> None:
    height, width = face.shape
    one, zero = np.float32(1), np.float32(0)
    r = origin_T_view
    sky, here, mirror = np.empty(3, np.float32), np.empty(5, np.float32), np.empty(3, np.float32)
    has_shadow = shadow.shape[0] > 0
    channels = 5 if night else 2
    for row in range(height):
        ray_y = (np.float32(row) - lens[3]) / lens[1]
        for column in range(width):
            f = face[row, column]
            if samples == 2:
                same_row, same_column = row, column
                if column & 1 and face[row, column - 1] == f:
                    same_column = column - 1
                elif row & 1 and face[row - 1, column] == f:
                    same_row = row - 1
                if same_row != row or same_column != column:
                    for c in range(4):
                        image[row, column, c] = image[same_row, same_column, c]
                    continue
            ray_x = (np.float32(column) - lens[2]) / lens[0]
            wx = r[0, 0] * ray_x + r[0, 1] * ray_y + r[0, 2]
            wy = r[1, 0] * ray_x + r[1, 1] * ray_y + r[1, 2]
            wz = r[2, 0] * ray_x + r[2, 1] * ray_y + r[2, 2]
            length = np.sqrt(wx * wx + wy * wy + wz * wz)
            dx, dy, dz = wx / length, wy / length, wz / length
            if f < 0:
                _sky(dx, dy, dz, light, cover, clouds, sky)
                fall = min(max(-dz * np.float32(6), zero), np.float32(0.5))  # below the horizon, where the world has ended
                for c in range(3):
                    image[row, column, c] = sky[c] * (one - fall)
                image[row, column, 3] = 0
                continue
            depth = one / nearness[row, column]
            distance = depth * length
            x, y, z = wx * depth + r[0, 3], wy * depth + r[1, 3], wz * depth + r[2, 3]
            who, kind = owner[f], material[f]
            a, b, d = normal[f, 0], normal[f, 1], normal[f, 2]
            o = origin_T_owner[who]
            nx, ny, nz = o[0, 0] * a + o[0, 1] * b + o[0, 2] * d, o[1, 0] * a + o[1, 1] * b + o[1, 2] * d, o[2, 0] * a + o[2, 1] * b + o[2, 2] * d
            facing = nx * dx + ny * dy + nz * dz
            if facing > 0:
                nx, ny, nz, facing = -nx, -ny, -nz, -facing
            _ground(cells, low_xy, x, y, channels, here)
            sky_share = np.float32(0.62) + np.float32(0.38) * nz
            if who == STATIC:
                if here[0] > 0 and abs(z - here[1]) < np.float32(0.5):
                    sky_share *= one - here[0]
            elif half_height[who] > 0:
                up = owner_up[who]
                above = up[0] * x + up[1] * y + up[2] * z + up[3] + half_height[who]
                sky_share *= min(one, np.float32(0.45) + above * np.float32(1.1))
            soft = soft_of[kind]
            slope = nx * light[0, 0] + ny * light[0, 1] + nz * light[0, 2]
            sun = max(slope * (one - soft) + soft, zero)
            if sun > 0 and has_shadow:
                lift = np.float32(0.10)
                sun *= _lit(shadow, map_T_origin, x + nx * lift, y + ny * lift, z + nz * lift)
            gloss = gloss_of[kind]
            if gloss > zero and half_height[who] > zero:  # sheet metal and glass are curved: bend the normal away from the middle
                bend = np.float32(0.16) / half_height[who]
                nx, ny, nz = nx + bend * (x - o[0, 3]), ny + bend * (y - o[1, 3]), nz + bend * (z - o[2, 3])
                size = np.sqrt(nx * nx + ny * ny + nz * nz)
                nx, ny, nz = nx / size, ny / size, nz / size
                facing = min(nx * dx + ny * dy + nz * dz, zero)
            dark, puddle = one, zero
            if wet > 0 and who == STATIC and nz > np.float32(0.8):
                dark = one - np.float32(0.5) * wet
                gloss = max(gloss, wet * np.float32(0.55))
                puddle = wet * min(one, max(np.float32(0.35), clouds[int(y * np.float32(1.3)) & 63, int(x * np.float32(1.3)) & 63]))
            fresnel = one + facing
            fresnel = gloss * (np.float32(0.07) + np.float32(0.93) * fresnel * fresnel * fresnel * fresnel)
            fresnel += metal_of[kind] * np.float32(0.2)
            lit = image[row, column, 3]
            highlight = zero
            if puddle > zero:  # what it mirrors is not known yet
                mirror[0] = mirror[1] = mirror[2] = zero
            elif fresnel > np.float32(0.004):
                k = np.float32(-2) * facing
                mx, my, mz = dx + k * nx, dy + k * ny, dz + k * nz
                t = one - (one - max(mz, zero)) ** 3
                # What stands around hides the lowest sky: a skyline of houses and trees, by direction.
                side = clouds.shape[0]
                edge = np.float32(0.25) * clouds[int(my * np.float32(23) + np.float32(64)) & (side - 1),
                                                 int(mx * np.float32(23) + np.float32(64)) & (side - 1)] - np.float32(0.06)
                horizon = min(one, max(zero, (mz - edge) * np.float32(8)))
                ground = min(one, max(zero, -mz * np.float32(8)))
                for c in range(3):
                    around = (np.float32(0.10) + np.float32(0.12) * ground) * light[2, c] + np.float32(0.04) * ground * light[1, c]
                    mirror[c] = around + ((light[4, c] + (light[3, c] - light[4, c]) * t) - around) * horizon
                toward = mx * light[0, 0] + my * light[0, 1] + mz * light[0, 2]
                if toward > np.float32(0.9) and sun > 0:
                    p = toward ** 32
                    highlight = (np.float32(0.25) * p + np.float32(6.0) * p ** 16) * sun * gloss
            else:
                mirror[0] = mirror[1] = mirror[2] = zero
            glow = glow_of[kind] * lamps_on[who] * lit
            through = np.exp(-extinction * distance)
            for c in range(3):
                bounce = (np.float32(0.10) - np.float32(0.10) * nz) * max(light[0, 2], zero) * light[1, c]
                albedo = image[row, column, c]
                value = albedo * dark * (light[1, c] * sun + light[2, c] * sky_share + bounce) * (one - np.float32(0.6) * min(fresnel, one))
                if night:
                    value += albedo * here[2 + c] * (np.float32(0.6) + np.float32(0.4) * nz)
                value += fresnel * mirror[c] + highlight * light[1, c] + glow * (albedo if glow_rgb[kind, c] < 0 else glow_rgb[kind, c])
                image[row, column, c] = value * through + light[4, c] * (one - through)
            image[row, column, 3] = puddle * (np.float32(0.08) + np.float32(0.7) * (one + facing) ** 3) * through
