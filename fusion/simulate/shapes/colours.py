"""Colours of things on the street, linear RGB in [0, 1]."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material

Colour = tuple[float, float, float]


def srgb(code: str) -> Colour:
    """Linear RGB of a `rrggbb` code as seen on a screen."""
    values = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear[0]), float(linear[1]), float(linear[2])


BLACK, DARK, GREY, PALE, WHITE = srgb("141416"), srgb("2a2b2e"), srgb("6e7073"), srgb("a9abad"), srgb("e6e7e8")
TYRE, CHROME, GLASS, CABIN = srgb("1b1b1c"), srgb("b4b7ba"), srgb("1d2428"), srgb("2b2a29")
ORANGE, RED, YELLOW, GREEN, BLUE = srgb("f0571a"), srgb("c3272b"), srgb("f2b418"), srgb("2f6b3d"), srgb("1f4e8c")
LIME, BROWN, GALVANISED, CONCRETE, STEEL = srgb("c9e629"), srgb("6b4b32"), srgb("8d9499"), srgb("a3a19a"), srgb("5b6066")
TAIL_LAMP, HEAD_LAMP, AMBER = srgb("b3141a"), srgb("eef2f2"), srgb("f08a1c")

_CAR_PAINTS: tuple[tuple[float, str, bool], ...] = (
    (0.23, "e9eaea", False),
    (0.20, "121315", True),
    (0.13, "5d6064", False),
    (0.07, "36393d", True),
    (0.14, "aeb2b5", False),
    (0.06, "8c1a20", False),
    (0.03, "b5352c", False),
    (0.05, "1f3f77", False),
    (0.03, "3f78b0", False),
    (0.02, "22345a", True),
    (0.015, "35513e", False),
    (0.015, "c8b89a", False),
    (0.01, "6a4f3a", False),
    (0.01, "d9a020", False),
    (0.005, "d9631e", False),
)
"""Share on the road, colour, whether it swallows laser light as black does."""

_TRUCK_PAINTS: tuple[tuple[float, str], ...] = (
    (0.48, "e8e8e6"),
    (0.08, "b7babb"),
    (0.07, "2c2e31"),
    (0.09, "a3252a"),
    (0.09, "24508f"),
    (0.06, "e0a91f"),
    (0.05, "2f6b46"),
    (0.04, "d6662a"),
    (0.04, "6b4a2c"),
)

_CLOTHES: tuple[str, ...] = (
    "1a1b1f",
    "1c2333",
    "26303f",
    "3b3d42",
    "5a5d63",
    "8b8d90",
    "d8d8d4",
    "e9e6df",
    "2f4a72",
    "5f7fa8",
    "7a2228",
    "b23a36",
    "3f5a3d",
    "7a6a4d",
    "b59a6d",
    "5b3f5e",
    "c77f9a",
    "d9b24a",
    "2e6f73",
    "4a3527",
)
_TROUSERS: tuple[str, ...] = ("17181b", "1d2331", "243453", "33486b", "4d648a", "3a3a3c", "5b5a58", "8a7a60", "b3a180", "2b2620", "d5d2ca")
_SKINS: tuple[str, ...] = ("f0c9a8", "e3b48f", "c98f66", "a06a45", "7a4c31", "54341f")
_HAIRS: tuple[str, ...] = ("14110f", "2a1d14", "4a3220", "7a5532", "b48a52", "8f8c88", "d8d5cf")


def _pick(codes: tuple[str, ...], rng: np.random.Generator) -> Colour:
    return tint(srgb(codes[rng.integers(len(codes))]), rng)


def tint(colour: Colour, rng: np.random.Generator, spread: float = 0.08) -> Colour:
    """A colour a little lighter or darker and off in hue."""
    values = np.clip(np.array(colour) * np.exp(rng.normal(0, spread) + rng.normal(0, spread / 6, 3)), 0.004, 0.92)
    return float(values[0]), float(values[1]), float(values[2])


def car_paint(rng: np.random.Generator) -> tuple[int, Colour]:
    """Material and colour, shares as on the road."""
    shares = np.cumsum([share for share, _, _ in _CAR_PAINTS])
    _, code, dark = _CAR_PAINTS[int(np.searchsorted(shares, rng.random() * shares[-1]))]
    return int(Material.DARK_PAINT if dark else Material.PAINT), tint(srgb(code), rng)


def truck_paint(rng: np.random.Generator) -> Colour:
    """Lorries and vans: white above all, then liveries."""
    shares = np.cumsum([share for share, _ in _TRUCK_PAINTS])
    return tint(srgb(_TRUCK_PAINTS[int(np.searchsorted(shares, rng.random() * shares[-1]))][1]), rng)


def clothing(rng: np.random.Generator) -> Colour:
    """Coats, shirts, bags."""
    return _pick(_CLOTHES, rng)


def trousers(rng: np.random.Generator) -> Colour:
    """Jeans and the like."""
    return _pick(_TROUSERS, rng)


def skin(rng: np.random.Generator) -> Colour:
    """Skin of anyone."""
    return _pick(_SKINS, rng)


def hair(rng: np.random.Generator) -> Colour:
    """Hair of anyone."""
    return _pick(_HAIRS, rng)
