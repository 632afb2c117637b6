"""Which devices --device takes."""

from __future__ import annotations

import pytest
import torch

from fusion.cli.device import check_device
from fusion.errors import UserError


@pytest.mark.parametrize("name", ["cuda:2", "cuda:-1", "cudax", "tpu", ""])
def test_a_device_that_is_not_there_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for known in ("cpu", "cuda", "cuda:0", "cuda:1"):
        check_device(known)
    with pytest.raises(UserError, match=f"--device {name}: not available on this machine; expected cpu or cuda or cuda:0 or cuda:1"):
        check_device(name)
