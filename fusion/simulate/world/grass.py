"""Blades of grass on verges, gardens and parks near the ego's way."""

from __future__ import annotations

import numpy as np

from fusion.simulate.mesh import Mesh
from fusion.simulate.world.land import Cover
from fusion.simulate.world.plants import tufts
from fusion.simulate.world.site import STANDS, Site


def grass(site: Site) -> Mesh:
    """Up to 5000 tufts, denser on verges than on lawns."""
    rng, land = site.rng, site.land
    size = np.array(land.frame.shape[::-1]) * land.frame.m_per_px
    xy = rng.uniform(0, 1, (min(int(size[0] * size[1] * 0.5), 60000), 2)) * size + land.frame.origin_xy
    keep = ((land.frame.pick(land.way_m, xy) < 50) & (land.frame.pick(land.cover, xy) == int(Cover.GRASS))
            & (land.frame.pick(site.taken, xy) & STANDS == 0) & (rng.random(len(xy)) < np.where(land.frame.pick(land.road_m, xy) < 4, 1.0, 0.3)))
    xy = xy[keep][:5000]
    return tufts(np.column_stack([xy, land.height(xy)]), rng)
