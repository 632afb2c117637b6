"""What the fixture `exported` gives; a module of its own, so that tests can name its type."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Exported:
    """A checkpoint and the folder that was exported from it, as ONNX with six camera slots."""

    checkpoint: Path
    folder: Path
