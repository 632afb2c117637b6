"""What a fingerprint sees, and what it does not depend on."""

from __future__ import annotations

import array

import numpy as np

from fusion.sensors.fingerprint import fingerprint


def test_every_pixel_counts_in_a_fingerprint() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (90, 161, 3), dtype=np.uint8)
    seen = {fingerprint(image)}
    for index in [0, 1, image.size - 1, image.size - 2, *rng.integers(0, image.size, 200)]:
        changed = image.copy()
        changed.reshape(-1)[index] ^= 1
        seen.add(fingerprint(changed))
        changed.reshape(-1)[index] ^= 1
        assert fingerprint(changed) == fingerprint(image)
    assert len(seen) >= 200
    assert all(0 <= value < 2**64 for value in seen)


def test_things_that_move_on_a_plain_ground_change_a_fingerprint() -> None:
    def square(row: int, column: int) -> int:
        image = np.zeros((900, 1600, 3), np.uint8)
        image[row:row + 16, column:column + 16] = 255
        return fingerprint(image)

    assert len({square(row, column) for row in range(0, 640, 64) for column in range(0, 1280, 128)}) == 100


def test_any_buffer_has_the_same_fingerprint() -> None:
    data = np.random.default_rng(0).integers(0, 256, 10_007, dtype=np.uint8)
    assert len({fingerprint(form) for form in (data, data.tobytes(), bytearray(data), memoryview(data), array.array("B", data.tobytes()),
                                               np.repeat(data, 2)[::2])}) == 1
    cloud = np.random.default_rng(0).uniform(size=(700, 5)).astype(np.float32)
    assert fingerprint(cloud) == fingerprint(cloud.tobytes()) != fingerprint(cloud + np.float32(1e-6))
    assert fingerprint(b"") == fingerprint(np.zeros((0, 5), np.float32))
    assert fingerprint(b"\0") != fingerprint(b"\0\0")  # lengths count too
