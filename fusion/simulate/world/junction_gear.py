"""What stands at junctions and over roads: traffic lights, stop signs, foot bridges."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.primitives import box, cylinder
from fusion.simulate.world.draw import maybe, span
from fusion.simulate.world.kit import wall
from fusion.simulate.world.plan import Plan
from fusion.simulate.world.site import Site
from fusion.simulate.world.warp import Warp


def junction_gear(plan: Plan, warp: Warp, site: Site) -> None:
    """Lights on posts, some with an arm over the road, at lit junctions; stop signs at others; a foot bridge now and then."""
    rng = site.rng
    for junction in plan.junctions:
        u, v = plan.streets[junction.u], plan.streets[junction.v]
        if site.near(warp.xy(np.array([v.at, u.at]))) > 95:
            continue
        for su in (-1, 1):
            for sv in (-1, 1):
                uv = np.array([v.at + su * (v.edge_m(su) + 2.5), u.at + sv * (u.edge_m(sv) + 2.5)])
                xy = warp.xy(uv)
                if not site.free(xy, 0.0, 0.4, 0.4) or not (junction.lit or su == sv):
                    continue
                site.put(_light(rng) if junction.lit else _stop_sign(), xy, float(warp.yaw(uv, np.array([0.0, -float(sv)]))))
                site.take(xy, 0.0, 0.4, 0.4)
    if maybe(rng, 0.2):
        _bridge(plan, warp, site)


def _light(rng: np.random.Generator) -> Mesh:
    """A post with signal heads, its arm along +x."""
    arm, grey = span(rng, 3, 6) if maybe(rng, 0.45) else 0.5, np.full(3, span(rng, 0.04, 0.4))
    height = 5.6 if arm > 1 else 3.2
    lit = (0.8, 0.1, 0.05) if maybe(rng, 0.5) else (0.05, 0.7, 0.3)
    parts = [cylinder(0.1, height + 0.4, Material.METAL, grey, (0, 0, height / 2 - 0.2), sides=7),
             box((arm, 0.1, 0.1), Material.METAL, grey, (arm / 2, 0, height)),
             box((0.3, 0.36, 0.4), Material.PLASTIC, (0.05, 0.05, 0.05), (0, 0, 2.3))]
    for x in (arm, arm * 0.6) if arm > 1 else (arm,):
        parts += [box((0.32, 0.32, 0.95), Material.PLASTIC, (0.03, 0.03, 0.03), (x, 0, height - 0.1)),
                  box((0.18, 0.36, 0.18), Material.LAMP, lit, (x, 0, height + 0.1))]
    return join(parts)


def _stop_sign() -> Mesh:
    return join([cylinder(0.04, 2.6, Material.METAL, (0.4, 0.4, 0.4), (0, 0, 1.1), sides=6),
                 cylinder(0.38, 0.03, Material.RETRO, (0.5, 0.03, 0.03), (0, 0, 2.3), axis=0, sides=8)])


def _bridge(plan: Plan, warp: Warp, site: Site) -> None:
    """A deck with railings across the main street, on piers beside the sidewalks."""
    rng, street = site.rng, plan.streets[0]
    at = span(rng, -60, 160)
    if plan.crossed(street, at, 12):
        return
    across = np.linspace(-street.outer_m(-1) - 3, street.outer_m(1) + 3, 9)
    xy = warp.xy(street.uv(at, across))
    yaw = float(warp.yaw(street.uv(at, 0.0), np.array([0.0, 1.0])))
    width, grey = span(rng, 2.5, 9.0), np.full(3, span(rng, 0.25, 0.5))
    if not all(site.free(xy[end], yaw, 1.6, width) for end in (0, -1)):
        return
    deck = float(site.land.height(xy).max()) + 5.2
    line = np.column_stack([xy, np.full(len(xy), deck)])
    side = np.array([*warp.direction(street.uv(at, 0.0), np.array([1.0, 0.0])), 0.0]) * width / 2
    site.meshes += [wall(line, 0.7, width, Material.CONCRETE, grey),
                    *(wall(line + s * side + [0, 0, 0.7], 1.0, 0.1, Material.FENCE, grey * 0.6) for s in (-1, 1))]
    for end in (0, -1):
        site.put(box((1.2, width * 0.8, 8.0), Material.CONCRETE, grey, (0, 0, deck - float(site.land.height(xy[end])) - 4.0)), xy[end], yaw)
        site.take(xy[end], yaw, 1.3, width)
