"""A beam is no line: where it meets an edge, parts of its light meet different things, and the strongest answer is reported."""

from __future__ import annotations

import cv2
import numpy as np

from fusion.simulate.lidar.casting import EGO, NOTHING, Hits
from fusion.simulate.lidar.returns import DEPTH_M

_ACROSS = 0.32 * np.array([[0.0, 0.0], [1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
"""Where parts of a beam lie across it, in its widths: as far from the middle on average as in an evenly lit square."""

PARTS = len(_ACROSS)

_STEP_M, _STEP_SHARE = 0.15, 0.05
"""Neighbours along a ring whose ranges differ by more than this, and by more than this share of the range, lie on an edge."""
_AROUND = np.ones((1, 13), np.uint8)
"""Rings above and below an actor's outline that may meet it too: what is thinner than a step shows in some rings only."""


def edges(hits: Hits, rings: int) -> np.ndarray:
    """Rows of the beams that may meet more than one thing, `(C,)` ascending: next to one of their ring that meets something else, or an actor.

    Args:
        hits: of one turn, `(S * R,)`, steps in order.
        rings: R.
    """
    source, range_m = hits.source.reshape(-1, rings), hits.distance_m.reshape(-1, rings)
    leafy = (DEPTH_M[hits.material] > 0).reshape(-1, rings)
    after, next_source = np.roll(range_m, -1, axis=0), np.roll(source, -1, axis=0)
    with np.errstate(invalid="ignore"):
        step = np.abs(after - range_m) > np.maximum(_STEP_M, _STEP_SHARE * np.minimum(after, range_m))
    step &= ~(leafy | np.roll(leafy, -1, axis=0))  # among leaves every range differs anyway
    other = next_source != source
    turned = (step | other) & (source != EGO) & (next_source != EGO)
    edge = turned | np.roll(turned, 1, axis=0)
    outline = other & ((source >= 0) | (next_source >= 0))
    outline |= np.roll(outline, 1, axis=0)
    edge |= cv2.dilate(outline.astype(np.uint8), _AROUND) > 0
    found: np.ndarray = np.flatnonzero(edge & (source != EGO))
    return found


def parts_of(directions: np.ndarray, width_rad: float) -> np.ndarray:
    """`(C, 3)` unit vectors of beams -> `(C, PARTS, 3)` of parts of each."""
    across = np.stack([-directions[:, 1], directions[:, 0], np.zeros(len(directions))], axis=-1)
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    up = np.cross(directions, across)
    aim = directions[:, None] + width_rad * (_ACROSS[:, :1] * across[:, None] + _ACROSS[:, 1:] * up[:, None])
    found: np.ndarray = aim / np.linalg.norm(aim, axis=-1, keepdims=True)
    return found


def strongest(parts: Hits, brightness: np.ndarray, pulse_m: float) -> tuple[Hits, np.ndarray]:
    """What beams report whose parts meet different things: parts closer than a pulse answer as one, at the mean distance of their light.

    Args:
        parts: `(C * PARTS,)`, those of one beam after another.
        brightness: `(C * PARTS,)` of each part, as if it were the whole beam.
        pulse_m: length of a pulse.

    Returns:
        The hits `(C,)`, of the surface that sends most of the answer, and the share of its brightness `(C,)` that the beam gets back.
    """
    brightness = brightness.reshape(-1, PARTS)
    distance = parts.distance_m.reshape(-1, PARTS).astype(np.float64)
    met = parts.source.reshape(-1, PARTS) != NOTHING
    distance[~met] = 1e9
    power = np.where(met, brightness / np.maximum(distance, 0.1) ** 2, 0.0)
    together = np.abs(distance[:, :, None] - distance[:, None]) < pulse_m
    beam = np.arange(len(brightness))
    lead = (together * power[:, None]).sum(axis=-1).argmax(axis=1)
    member = together[beam, lead] & met
    weight = np.where(member, power, 0.0)
    head = weight.argmax(axis=1)
    hits = parts.take(beam * PARTS + head)
    some = member.any(axis=1)
    total = np.where(some, weight.sum(axis=1), 1.0)
    hits.distance_m[some] = ((weight * distance).sum(axis=1) / total)[some]
    share = np.where(member, brightness, 0.0).sum(axis=1) / PARTS / np.where(some, brightness[beam, head], 1.0)
    return hits, np.where(some, share, 1.0)
