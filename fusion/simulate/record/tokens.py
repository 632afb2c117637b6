"""Names and random numbers that follow from what they are for: same seed, same bytes, in any order and in any process."""

from __future__ import annotations

import hashlib

import numpy as np

_KEY = b"bevduet simulate"


def _digest(parts: tuple[str | int, ...]) -> bytes:
    text = "\n".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode(), key=_KEY, digest_size=16).digest()


def token(*parts: str | int) -> str:
    """A table's token, 32 hexadecimal digits, such as `token(seed, scene_index, "sample", 3)`."""
    return _digest(parts).hex()


def number(*parts: str | int) -> int:
    """A seed in [0, 2^63)."""
    return int.from_bytes(_digest(parts)[:8], "big") >> 1


def generator(*parts: str | int) -> np.random.Generator:
    """A random generator of its own for each purpose, so that leaving one reading out changes no other."""
    return np.random.default_rng(int.from_bytes(_digest(parts), "big"))
