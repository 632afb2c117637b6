"""The command line: help, one-line errors, exit codes."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fusion.cli.main import main
from fusion.cli.names import scene_names


@pytest.mark.parametrize("command", [[], ["perceive"], ["evaluate"], ["train"], ["show-config"]])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    assert "usage: bevduet" in capsys.readouterr().out


def test_show_config_fills_in_defaults_and_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show-config", "nano", "--set", "model.num_sweeps=2"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["model"]["num_sweeps"] == 2
    assert shown["model"]["input"]["max_range_m"] == 80.0


@pytest.mark.parametrize(("argv", "says"), [
    (["show-config", "nanno"], "did you mean 'nano'"),
    (["show-config", "nano", "--set", "model.num_sweps=2"], "num_sweps"),
    (["perceive", "--dataroot", "/nowhere", "--model", "/nowhere.safetensors", "--out", "/tmp/x"], "/nowhere.safetensors"),
])
def test_bad_input_is_one_line_and_exit_code_2(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("bevduet: error: ")
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_an_empty_list_of_scenes_does_not_mean_all(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert scene_names(None) is None
    assert scene_names("a, b,,c") == ["a", "b", "c"]
    assert main(["train", "--config", "nano", "--dataroot", "/nowhere", "--version", "v1.0-mini", "--scenes", text, "--out", "/nowhere"]) == 2
    assert capsys.readouterr().err == f"bevduet: error: --scenes {text!r}: names none; name scenes or splits, or leave the option away for all\n"


@pytest.mark.parametrize(("error", "says"), [
    (OSError(errno.ENOSPC, "No space left on device", "/full/results_nusc.json"), "/full/results_nusc.json: No space left on device"),
    (PermissionError(errno.EACCES, "Permission denied"), "output: Permission denied")])
def test_what_the_system_refuses_is_one_line(error: OSError, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> int:
        raise error

    monkeypatch.setattr("fusion.cli.show_config.run", refuse)
    assert main(["show-config", "nano"]) == 2
    assert capsys.readouterr().err == f"bevduet: error: {says}\n"
    error.errno = errno.EIO  # not the user's to mend: the whole trace is worth more
    with pytest.raises(OSError, match="I/O|No space|Permission"):
        main(["show-config", "nano"])


def test_the_parser_imports_nothing_heavy() -> None:
    code = "import sys, fusion.cli.main as m; m.build_parser(); print([n for n in ('torch', 'cv2', 'numba') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
