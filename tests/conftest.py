"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

REPO = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first, so that no core waits for it in the end."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests train the narrowest of networks, where the convolution library in torch 2.13 corrupts memory in its AVX-512 backward pass on two
    threads (seen on an AMD EPYC with 8 channels; no shipped config is that narrow)."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real sensor data beside the checkout; the data sets' licences forbid shipping them, so absence skips."""
    path = REPO.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"real sensor data not found at {path}")
    return path


@pytest.fixture(scope="session")
def scene0523(shared_data: Path) -> Path:
    """A nuScenes root with scene-0523, version v1.0-mini."""
    return shared_data / "nuscenes_scene0523"
