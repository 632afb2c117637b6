"""Data sets as sources of sensor readings and annotations."""

from fusion.data.open import open_source
from fusion.data.source import SceneSource

__all__ = ["SceneSource", "open_source"]
