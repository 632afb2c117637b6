"""Commands that other installed packages add: found by entry point, and a broken one hurts nobody else."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from fusion.cli import main as command_line

GREETINGS: list[str] = []


def add_parser(subparsers: object) -> None:
    """What an entry point of another package names."""
    parser = subparsers.add_parser("greet")  # type: ignore[attr-defined]
    parser.add_argument("name")
    parser.set_defaults(run=lambda args: GREETINGS.append(args.name) or 0)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [EntryPoint("greet", f"{__name__}:add_parser", command_line.COMMAND_GROUP),
             EntryPoint("perceive", "another_package:add_parser", command_line.COMMAND_GROUP),
             EntryPoint("broken", "no_such_package:add_parser", command_line.COMMAND_GROUP)]
    monkeypatch.setattr(EntryPoint, "load", lambda self: add_parser if self.name == "greet" else _missing(self.module))
    monkeypatch.setattr(command_line, "entry_points", lambda group: found if group == "bevduet.commands" else [])


def _missing(module: str) -> None:
    raise ModuleNotFoundError(f"No module named {module!r}")


def test_an_installed_command_runs() -> None:
    assert command_line.main(["greet", "robot"]) == 0
    assert GREETINGS.pop() == "robot"


def test_our_own_commands_are_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["perceive", "--help"])
    assert "--dataroot" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--help"], ["fast", "--speed", "2"]])
def test_a_broken_command_says_why(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["broken", *arguments]) == 2
    error = capsys.readouterr().err
    assert "no_such_package:add_parser cannot be loaded: ModuleNotFoundError: No module named 'no_such_package'" in error
    assert error.count("\n") == 1
