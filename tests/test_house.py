"""The house itself: style, types, packaging, scripts and the README's commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

REPO = Path(__file__).resolve().parent.parent
SCRIPTS = [".ci/run", "tools/test.sh", "tools/demo.sh", "tools/setup_env.sh"]


def output(*command: str, **changes: str) -> str:
    done = subprocess.run(command, cwd=REPO, env=os.environ | changes, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ruff() -> None:
    output(sys.executable, "-m", "ruff", "check", "--no-cache", ".")


def test_mypy() -> None:
    output(sys.executable, "-m", "mypy")


def test_name_and_version_have_one_source() -> None:
    package = ElementTree.parse(REPO / "package.xml").getroot()
    probe = "import runpy, sys, setuptools; setuptools.setup = lambda **k: print(k['name'], k['version']);" \
            "runpy.run_path('setup.py'); assert not {'torch', 'fusion', 'numpy'} & set(sys.modules)"
    assert output(sys.executable, "-c", probe).split() == [package.findtext("name"), package.findtext("version")]
    assert f"## {package.findtext('version')}" in (REPO / "CHANGELOG.md").read_text()


def test_versions_are_pinned_in_one_place() -> None:
    assert not re.search(r"[\"'][\w-]+(==|>=|<=|~=)\d", (REPO / "setup.py").read_text().replace('python_requires=">=', ""))
    pins = [line for line in (REPO / "tools/constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"[\w-]+==[\w.]+", line) for line in pins)


def test_ament_marker_carries_the_package_name() -> None:
    assert (REPO / "resource" / "bevduet").is_file()
    assert "pytest" in (REPO / "setup.py").read_text().split("extras_require")[1]  # without it `colcon test` runs nothing


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_executable_and_parse(script: str) -> None:
    assert os.access(REPO / script, os.X_OK)
    output("bash", "-n", script)


def test_demo_script_sets_up_and_passes_its_arguments_on(tmp_path: Path) -> None:
    for path, text in {"tools/demo.sh": (REPO / "tools/demo.sh").read_text(), "tools/setup_env.sh": "#!/bin/sh\necho set up\n",
                       ".venv/bin/bevduet": '#!/bin/sh\nprintf "%s|" "$@"\n'}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)
    assert output(str(tmp_path / "tools/demo.sh"), "--out", "a folder").splitlines() == ["set up", "demo|--out|a folder|"]


def readme_commands() -> list[str]:
    """The `bevduet` commands of README.md, continuation lines joined."""
    blocks = re.findall(r"```bash\n(.*?)```", (REPO / "README.md").read_text(), re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.startswith("bevduet ")]


def test_readme_shows_every_subcommand() -> None:
    shown = {shlex.split(command)[1] for command in readme_commands()}
    assert {"demo", "simulate", "perceive", "evaluate", "train", "show-config"} <= shown


def test_readme_commands_parse() -> None:
    from fusion.cli.main import build_parser

    parser = build_parser()
    for command in readme_commands():
        arguments = shlex.split(command)[1:]
        if "--help" not in arguments:
            parser.parse_args(arguments)  # an unknown flag raises SystemExit


REAL = {"data/nuscenes": "nuscenes_scene0523", "data/dgp_scene": "dgp_tri/test_scene/scene_01", "scene-0103": "scene-0523",
        "out/perceive/results_nusc.json": "golden_scene0523/det.json"}
"""What stands in for the README's placeholders."""

SMALLER = {"--duration": "0.5", "--image-scale": "0.1", "--workers": "1"}
"""Added to `bevduet simulate`, so that a test takes seconds."""


@pytest.mark.parametrize("start", ["bevduet --help", "bevduet show-config", "bevduet evaluate",
                                   "bevduet perceive --dataroot data/dgp_scene", "bevduet simulate --out data/sim-robot"])
def test_readme_commands_run(start: str, shared_data: Path, tmp_path: Path) -> None:
    """One of each kind; those that need trained weights or the whole data set are only parsed, above."""
    (command,) = [c for c in readme_commands() if c.startswith(start)]
    words = [str(shared_data / REAL[w]) if "/" in w and w in REAL else REAL.get(w, w) for w in shlex.split(command)[1:]]
    words = [str(tmp_path / w) if w.startswith(("out/", "data/")) else w for w in words]
    if words[0] == "simulate":
        words += [word for option in SMALLER.items() for word in option]
    output(sys.executable, "-m", "fusion.cli.main", *words, OMP_NUM_THREADS="1")
    if "--out" in words:
        assert any(tmp_path.rglob("*.json"))


def test_readme_links_and_pictures_exist() -> None:
    text = (REPO / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (REPO / target).exists(), target
