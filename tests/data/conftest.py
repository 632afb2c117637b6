"""Data tests: a cache folder of their own, and a tiny nuScenes root."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_nuscenes import make_root


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`XDG_CACHE_HOME` for this test only."""
    path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(path))
    return path


@pytest.fixture
def tiny_root(tmp_path: Path) -> Path:
    """A tiny nuScenes root, version v1.0-tiny."""
    return make_root(tmp_path / "tiny")
