"""README.md does what it says: every command is run, in its order, on small simulated data; the Python example too."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion.cli.main import build_parser

sys.path.insert(0, str(Path(__file__).resolve().parent))
from forking import Forking, forking

REPO = Path(__file__).resolve().parent.parent
README = (REPO / "README.md").read_text(encoding="utf-8")
STAND_IN = {"v1.0-mini": "v1.0-sim", "v1.0-trainval": "v1.0-sim", "scene-0103": "sim-1-0000", "train": "sim_train"}
"""A simulated data set stands in for the recorded one."""
SMALLER = {
    "simulate": ["--scenes", "1", "--duration", "0.5", "--image-scale", "0.1", "--workers", "1"],
    "demo": ["--duration", "2", "--no-open"],
    "demo --dataroot": ["--no-open"],
    "verify": ["--frames", "1", "--threads", "1"],
    "train": ["--set", "train.epochs=1", "--set", "train.workers=0", "--set", "train.batch_size=2"],
}
"""Added to commands, so that they take seconds."""
ROS_COMMANDS = ("launch", "bag")
"""Come with the ROS 2 packages."""


def readme_commands() -> list[list[str]]:
    """The words of each command in a ```bash block, continuation lines joined."""
    blocks = re.findall(r"```bash\n(.*?)```", README, re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line.split("  #")[0]) for line in lines if line.strip()]


def test_every_subcommand_is_shown_and_parses() -> None:
    commands = readme_commands()
    assert {words[0] for words in commands} == {"bevduet", "python"}
    assert {"demo", "simulate", "perceive", "evaluate", "train", "show-config"} <= {words[1] for words in commands}
    for words in commands:
        if words[0] == "bevduet" and "--help" not in words and words[1] not in ROS_COMMANDS:
            build_parser().parse_args(words[1:])  # an unknown flag raises SystemExit


@pytest.fixture(scope="module")
def forker() -> Iterator[Forking]:
    """Runs commands, on one core each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        with forking() as process:
            yield process


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, shared_data: Path, forker: Forking) -> Iterator[Path]:
    """The current folder, with what README's commands expect to find."""
    tmp_path = tmp_path_factory.mktemp("readme")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/dgp_scene").symlink_to(shared_data / "dgp_tri/test_scene/scene_01")
    for name in ("tools", "configs"):
        (tmp_path / name).symlink_to(REPO / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("OMP_NUM_THREADS", "1")
        run(forker, ["bevduet", "simulate", "--out", "data/nuscenes", "--seed", "1", *SMALLER["simulate"], "--duration", "2"])
        yield tmp_path


def run(forker: Forking, words: list[str]) -> str:
    """A command in a process of its own; what it printed."""
    arguments = ["-m", "fusion", *words[1:]] if words[0] == "bevduet" else words[1:]
    if words[1] in ROS_COMMANDS:  # they start themselves anew, and processes of their own
        done = subprocess.run([sys.executable, "-W", "ignore", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        code, said = done.returncode, done.stdout
    else:
        output = Path("said.txt").resolve()
        code, said = forker.run(arguments, output), output.read_text(encoding="utf-8")
    assert code == 0, f"{shlex.join(words)}\n{said}"
    return said


def run_until_active(words: list[str]) -> None:
    """A command that runs until it is interrupted: wait until it says that it is active, then interrupt it as Ctrl-C does."""
    process = subprocess.Popen([sys.executable, "-m", "fusion", *words[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "active; Ctrl-C ends" in line:
            process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, "".join(said)
    assert any("active; Ctrl-C ends" in line for line in said), "".join(said)


def test_every_command_runs(workplace: Path, forker: Forking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 50))
    for words in readme_commands():
        if words[1] in ROS_COMMANDS and importlib.util.find_spec("rclpy") is None:
            continue  # no ROS wheels for this Python
        if words[1:3] == ["launch", "fusion"]:
            run_until_active(words)
        else:
            smaller = SMALLER.get(" ".join(words[1:3]), SMALLER.get(words[1], []))
            run(forker, [*words[:2], *(STAND_IN.get(word, word) for word in words[2:]), *smaller])
    made = {path.relative_to(workplace).as_posix() for path in workplace.rglob("*") if "data" not in path.parts}
    assert {"out/demo/index.html", "out/real/index.html", "out/perceive/results_nusc.json", "out/evaluate/metrics_summary.json",
            "out/states/states.md", "out/track/tracking_result.json",
            "out/decalibration/decalibration.md", "out/nano-openvino/manifest.json", "out/perceive-openvino/results_nusc.json",
            "runs/nano/model.safetensors", "runs/small/model.safetensors"} <= made


def test_python_example_runs(workplace: Path, forker: Forking) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    for word, stand_in in STAND_IN.items():
        example = example.replace(word, stand_in)
    assert "boxes from ('CAM_FRONT'," in run(forker, ["python", "-c", example])


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (REPO / target).exists(), target
