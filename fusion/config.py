"""Configs: typed dataclasses, YAML that holds differences from the defaults, `--set` overrides, errors that suggest."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from fusion.errors import UserError

T = TypeVar("T")


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; raises UserError naming the file, line and remedy."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected a YAML config") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML ({' '.join(str(error).split())}); correct or restore the file") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UserError(f"{path}: expected a YAML mapping, got {type(loaded).__name__}")
    return loaded


def apply_sets(mapping: Mapping[str, Any], sets: Iterable[str]) -> dict[str, Any]:
    """A copy of `mapping` with `a.b=value` assignments applied; values are read as YAML.

    Raises:
        UserError: an assignment without `=` or with an empty key part.
    """
    result: dict[str, Any] = {key: _copy(value) for key, value in mapping.items()}
    for assignment in sets:
        path, equals, text = assignment.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise UserError(f"--set {assignment!r}: expected key.subkey=value, for example train.epochs=2")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UserError(f"--set {assignment!r}: {text!r} is not a valid YAML value") from None
        node = result
        for key in keys[:-1]:
            child = node.get(key)
            if not isinstance(child, dict):
                child = {}
            node[key] = child
            node = child
        node[keys[-1]] = value
    return result


def to_mapping(value: Any) -> Any:
    """A dataclass tree as plain dicts, lists and scalars, every field written out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_mapping(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(k): to_mapping(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_mapping(v) for v in value]
    return value


def from_mapping(cls: type[T], mapping: Mapping[str, Any], where: str = "") -> T:
    """Build a config dataclass from a mapping of differences from its defaults.

    A field typed as a union of dataclasses is chosen by the key `kind`, which each of them declares as a `Literal`; a mapping without it
    holds differences from the field's default.

    Raises:
        UserError: unknown key (with "did you mean"), wrong type, unknown kind, or a value the dataclass refuses.
    """
    if not isinstance(mapping, Mapping):
        raise UserError(f"{where or cls.__name__}: expected a mapping, got {mapping!r}")
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    for key in mapping:
        if key not in known:
            raise UserError(f"{_join(where, str(key))}: unknown key{_suggest(str(key), list(known))}")
    values = {key: _convert(hints[key], _with_kind(known[key], value), _join(where, key)) for key, value in mapping.items()}
    try:
        return cls(**values)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"{where or cls.__name__}: {error}") from None


def _with_kind(field: dataclasses.Field[Any], value: Any) -> Any:
    """The value with the `kind` of the field's default, where it is a mapping that leaves it out and the default has one."""
    if not isinstance(value, Mapping) or "kind" in value:
        return value
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    kinds = {f.name for f in dataclasses.fields(default)} if dataclasses.is_dataclass(default) else set()
    return {"kind": default.kind, **value} if "kind" in kinds else value  # type: ignore[union-attr]


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(args, value, where)
    if origin is typing.Literal:
        if value not in args:
            raise UserError(f"{where}: expected one of {list(args)}, got {value!r}{_suggest(str(value), list(map(str, args)))}")
        return value
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_mapping(hint, value, where)  # type: ignore[arg-type]
    if origin in (tuple, list):
        if isinstance(value, str) or not isinstance(value, (list, tuple)):
            raise UserError(f"{where}: expected a list, got {value!r}")
        if origin is list or (len(args) == 2 and args[1] is Ellipsis):
            items = [_convert(args[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
            return items if origin is list else tuple(items)
        if len(value) != len(args):
            raise UserError(f"{where}: expected {len(args)} values, got {len(value)}: {value!r}")
        return tuple(_convert(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(zip(args, value, strict=True)))
    if origin in (dict, Mapping) or hint is dict or getattr(origin, "__name__", "") == "Mapping":
        if not isinstance(value, Mapping):
            raise UserError(f"{where}: expected a mapping, got {value!r}")
        return {k: (_convert(args[1], v, _join(where, str(k))) if args else v) for k, v in value.items()}
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as a string
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise UserError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")


def _convert_union(args: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None:
        if type(None) in args:
            return None
        raise UserError(f"{where}: expected a value, got none")
    options = [a for a in args if a is not type(None)]
    configs: list[Any] = [a for a in options if dataclasses.is_dataclass(a)]
    if len(options) == 1:
        return _convert(options[0], value, where)
    if configs and len(configs) == len(options):
        if isinstance(value, tuple(configs)):
            return value
        by_kind = {typing.get_args(typing.get_type_hints(c)["kind"])[0]: c for c in configs}
        if not isinstance(value, Mapping) or "kind" not in value:
            raise UserError(f"{where}: expected a mapping with `kind`, one of {sorted(by_kind)}, got {value!r}")
        if value["kind"] not in by_kind:
            raise UserError(f"{where}.kind: expected one of {sorted(by_kind)}, got {value['kind']!r}"
                            f"{_suggest(str(value['kind']), list(by_kind))}")
        return from_mapping(by_kind[value["kind"]], value, where)
    for option in options:
        try:
            return _convert(option, value, where)
        except UserError:
            continue
    raise UserError(f"{where}: expected one of {[getattr(o, '__name__', str(o)) for o in options]}, got {value!r}")


def _copy(value: Any) -> Any:
    return {k: _copy(v) for k, v in value.items()} if isinstance(value, dict) else value


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _suggest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; expected one of {sorted(known)}"
