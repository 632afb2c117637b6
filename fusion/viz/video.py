"""Pictures as JPEG files, and the pictures of a scene as one video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from fusion.errors import UserError
from fusion.files import replacing


def write_jpeg(path: Path, image: np.ndarray, quality: int = 90) -> None:
    """Write an `(H, W, 3)` uint8 RGB image atomically."""
    with replacing(path) as temporary:
        if not cv2.imwrite(str(temporary), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]):
            raise UserError(f"{path}: the picture could not be written; check the disk")


def write_video(pictures: Sequence[Path], path: Path, fps: float = 2.0) -> Path:
    """Make a video of picture files, one in memory at a time.

    Args:
        pictures: at least one file; those of another size than the first are scaled to it.
        path: the `.mp4` to write; where no MP4 encoder is at hand a `.gif` of the same stem is written.
        fps: pictures per second; nuScenes' keyframes come at 2 Hz.

    Returns:
        The path that was written.
    """
    if not pictures:
        raise ValueError("pictures: expected at least one file, got none")
    height, width = _read(pictures[0]).shape[:2]
    try:
        with replacing(path) as temporary:
            writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
            try:
                if not writer.isOpened():
                    raise _NoEncoder
                for image in _frames(pictures, (width, height)):
                    writer.write(image)
            finally:
                writer.release()
    except _NoEncoder:
        return _write_gif(pictures, path.with_suffix(".gif"), fps, width, height)
    return path


class _NoEncoder(Exception):
    """This build of OpenCV cannot write MP4."""


def _write_gif(pictures: Sequence[Path], path: Path, fps: float, width: int, height: int) -> Path:
    from PIL import Image

    size = (min(width, 1280), round(height * min(width, 1280) / width))
    frames = (Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)) for image in _frames(pictures, size))
    with replacing(path) as temporary:
        next(frames).save(temporary, format="GIF", save_all=True, append_images=frames, duration=round(1000 / fps), loop=0)
    return path


def _frames(pictures: Sequence[Path], size_wh: tuple[int, int]) -> Iterator[np.ndarray]:
    for path in pictures:
        image = _read(path)
        yield image if image.shape[1::-1] == size_wh else cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)


def _read(path: Path) -> np.ndarray:
    image: np.ndarray | None = cv2.imread(str(path))
    if image is None:
        raise UserError(f"{path}: not a readable picture; remove it and draw it again")
    return image
