from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic import SyntheticSource, tiny_recipe

from fusion.bev.image_depth import DepthBins
from fusion.bev.pull import PullConfig
from fusion.checkpoint import load_checkpoint
from fusion.errors import UserError
from fusion.train.config import TrainConfig
from fusion.train.module import lr_factor
from fusion.train.run import WholeFiles, train


def _losses(out: Path) -> list[tuple[int, str]]:
    """(step, loss) of all logs of a run, in order."""
    rows = [row for file in sorted(out.glob("log/version_*/metrics.csv")) for row in csv.DictReader(file.open())]
    return [(int(row["step"]), row["loss"]) for row in rows if row.get("loss")]


def test_resume_reproduces_the_uninterrupted_run(tmp_path: Path) -> None:
    recipe = tiny_recipe(augment={"paste": {"car": 1}})
    whole = train(recipe, SyntheticSource(), tmp_path / "whole", progress=False)
    train(recipe, SyntheticSource(), tmp_path / "parts", stop_after_epochs=2, progress=False)
    assert len(_losses(tmp_path / "parts")) == 4
    torch.manual_seed(123)  # whatever the state of the process that resumes
    parts = train(recipe, SyntheticSource(), tmp_path / "parts", resume=True, progress=False)
    assert len(_losses(tmp_path / "whole")) == 8
    assert _losses(tmp_path / "whole") == _losses(tmp_path / "parts")
    a, b = load_checkpoint(whole)[0].state_dict(), load_checkpoint(parts)[0].state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_results_do_not_depend_on_workers(tmp_path: Path) -> None:
    for workers in (0, 2):
        train(tiny_recipe(epochs=1, workers=workers), SyntheticSource(), tmp_path / str(workers), progress=False)
    assert _losses(tmp_path / "0") == _losses(tmp_path / "2")


def test_bf16_on_the_cpu_follows_full_precision(tmp_path: Path) -> None:
    for precision in ("32-true", "bf16-mixed"):
        train(tiny_recipe(epochs=2, precision=precision), SyntheticSource(), tmp_path / precision, progress=False)
    exact, mixed = ([float(loss) for _, loss in _losses(tmp_path / p)] for p in ("32-true", "bf16-mixed"))
    assert exact[0] != mixed[0] == pytest.approx(exact[0], rel=0.05)  # it was on; later steps drift apart, as training does
    assert len(mixed) == 4 and max(mixed[1:]) < mixed[0]
    weights = load_checkpoint(tmp_path / "bf16-mixed" / "model.safetensors")[0].state_dict()
    assert all(value.dtype in (torch.float32, torch.int64) for value in weights.values())


def test_fine_tuning_starts_from_given_weights(tmp_path: Path) -> None:
    first = train(tiny_recipe(epochs=1, ema_decay=0.0), SyntheticSource(), tmp_path / "first", progress=False)
    tuned = train(tiny_recipe(epochs=1, ema_decay=0.0, lr=1e-9), SyntheticSource(), tmp_path / "tuned", init=first, progress=False)
    a, b = load_checkpoint(first)[0], load_checkpoint(tuned)[0]
    for (name, value), other in zip(a.named_parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(other, value, rtol=0, atol=1e-6, msg=name)
    recipe = tiny_recipe()
    other_net = replace(recipe, model=replace(recipe.model, network=replace(recipe.model.network, lidar=None)))
    with pytest.raises(UserError, match="weights of another network"):
        train(other_net, SyntheticSource(), tmp_path / "other", init=first, progress=False)
    with pytest.raises(UserError, match="holds a run already; go on with --resume"):
        train(tiny_recipe(), SyntheticSource(), tmp_path / "first", progress=False)


def test_fine_tuning_takes_the_parts_that_are_named(tmp_path: Path) -> None:
    first = train(tiny_recipe(epochs=1, ema_decay=0.0), SyntheticSource(), tmp_path / "first", progress=False)
    recipe = tiny_recipe(epochs=1, ema_decay=0.0, lr=1e-9)
    network = replace(recipe.model.network, lift=PullConfig(views=1, channels=recipe.model.network.lift.channels, depth=DepthBins(count=4)))
    recipe = replace(recipe, model=replace(recipe.model, network=network))
    tuned = train(recipe, SyntheticSource(), tmp_path / "tuned", init=first, init_parts=["lidar", "trunk"], progress=False)
    a, b = load_checkpoint(first)[0], load_checkpoint(tuned)[0]
    for part, same in (("lidar", True), ("trunk", True), ("camera", False), ("head", False)):
        pairs = zip(getattr(a, part).parameters(), getattr(b, part).parameters(), strict=True)
        assert all(torch.allclose(x, y, rtol=0, atol=1e-6) for x, y in pairs) == same, part
    with pytest.raises(UserError, match=r"--init-parts wheels: not a part of both networks; expected some of camera, lift, lidar"):
        train(recipe, SyntheticSource(), tmp_path / "a", init=first, init_parts=["wheels"], progress=False)
    with pytest.raises(UserError, match=r"--init-parts lift: 2 tensors differ .* leave it away to start it fresh\n  depth.bias: expected \(4,\)"):
        train(recipe, SyntheticSource(), tmp_path / "b", init=first, init_parts=["lift"], progress=False)
    with pytest.raises(UserError, match="--init-parts lidar: expected --init"):
        train(recipe, SyntheticSource(), tmp_path / "c", init_parts=["lidar"], progress=False)


def test_parts_that_are_taken_may_learn_slower_and_still_do_after_a_resume(tmp_path: Path) -> None:
    first = train(tiny_recipe(epochs=1, ema_decay=0.0), SyntheticSource(), tmp_path / "first", progress=False)
    recipe = tiny_recipe(epochs=2, ema_decay=0.0, lr_inherited=0.0, weight_decay=0.0)
    parts = {"init": first, "init_parts": ["lidar", "trunk"]}
    train(recipe, SyntheticSource(), tmp_path / "tuned", stop_after_epochs=1, progress=False, **parts)  # type: ignore[arg-type]
    tuned = train(recipe, SyntheticSource(), tmp_path / "tuned", resume=True, progress=False)
    a, b = load_checkpoint(first)[0], load_checkpoint(tuned)[0]
    for part, still in (("lidar", True), ("trunk", True), ("camera", False), ("head", False)):
        pairs = zip(getattr(a, part).parameters(), getattr(b, part).parameters(), strict=True)
        assert all(torch.equal(x, y) for x, y in pairs) == still, part


def test_nothing_to_resume_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="last.ckpt does not exist; start without --resume"):
        train(tiny_recipe(), SyntheticSource(), tmp_path, resume=True)


def test_a_run_goes_on_with_what_it_was_begun_with_or_not_at_all(tmp_path: Path) -> None:
    train(tiny_recipe(), SyntheticSource(), tmp_path, stop_after_epochs=1, progress=False)
    before = (tmp_path / "model.yaml").read_bytes()
    says = r"begun with other settings.*\n  train.augment.bev_flip: expected 0.5, got 0.0\n  train.lr: expected 0.001, got 0.1$"
    with pytest.raises(UserError, match=says):
        train(tiny_recipe(lr=0.1, augment={"bev_flip": 0.0}, log_every=3), SyntheticSource(), tmp_path, resume=True, progress=False)
    with pytest.raises(UserError, match="\n  training data: expected the same scenes of the same data set, got others$"):
        train(tiny_recipe(), SyntheticSource(5), tmp_path, resume=True, progress=False)
    assert (tmp_path / "model.yaml").read_bytes() == before
    train(tiny_recipe(log_every=3, cache=True), SyntheticSource(), tmp_path, resume=True, stop_after_epochs=2, progress=False)


def test_weights_that_are_no_numbers_are_neither_kept_nor_exported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the weights are not finite after epoch 1; what the epoch before left is kept; train with a"):
        train(tiny_recipe(lr=1e30), SyntheticSource(), tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_model_is_never_trained_over(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"the work of a week")
    with pytest.raises(UserError, match=r"holds a model already, model.safetensors, which would be trained over; give another folder"):
        train(tiny_recipe(), SyntheticSource(), tmp_path, progress=False)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--out .*file/run: cannot be made \(Not a directory\)"):
        train(tiny_recipe(), SyntheticSource(), tmp_path / "file" / "run", progress=False)


def test_the_resume_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run" / "last.ckpt"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "another disk, full"))
    WholeFiles().save_checkpoint({"step": 1}, path)
    with pytest.raises(AttributeError, match="pickle"):
        WholeFiles().save_checkpoint({"step": torch.arange(1000), "broken": lambda: 0}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


def test_corrupt_resume_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="last.ckpt: cannot be resumed"):
        train(tiny_recipe(), SyntheticSource(), tmp_path, resume=True, progress=False)


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_schedule_rises_to_one_and_falls_to_nearly_zero(schedule: str) -> None:
    config = TrainConfig(schedule=schedule, warmup=0.2)  # type: ignore[arg-type]
    factors = [lr_factor(step, 100, config) for step in range(100)]
    assert max(factors) == pytest.approx(1) and factors.index(max(factors)) in (19, 20)
    assert factors[0] < 0.2 and factors[-1] < 0.01 and factors[:20] == sorted(factors[:20])


def test_two_devices_through_the_same_command(tmp_path: Path) -> None:
    here = Path(__file__).resolve()
    script = tmp_path / "command.py"  # the command itself, on a data set that needs no files
    script.write_text(
        "import sys\nimport yaml, synthetic, fusion.data.open\n"
        "fusion.data.open.open_source = lambda *_, **__: synthetic.SyntheticSource()\n"
        "from fusion.cli.main import main\nsys.exit(main(sys.argv[1:]))\n")
    config = tmp_path / "tiny.yaml"
    import yaml
    from synthetic import MODEL
    config.write_text(yaml.safe_dump({"model": MODEL, "train": {"epochs": 1, "batch_size": 1, "log_every": 1}}))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here.parents[2]), str(here.parent)]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), "train", "--config", str(config), "--dataroot", str(tmp_path), "--version", "none",
               "--out", str(tmp_path / "run"), "--devices", "2", "--set", "train.lr=1e-3"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    load_checkpoint(tmp_path / "run" / "model.safetensors")
    assert "MEMBER: 2/2" in done.stderr
