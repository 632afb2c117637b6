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


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping; YAML's own loader lets the last one win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See `yaml.SafeLoader`."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice in one mapping", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; raises UserError naming the file, line and remedy."""
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected a YAML config") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected a YAML config") from None
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


def from_mapping(cls: type[T], mapping: Mapping[str, Any], where: str = "", default: T | None = None) -> T:
    """Build a config dataclass from a mapping of differences from its defaults.

    A field that is a config itself is given as differences from the field's default, however deep. One typed as a union of configs is chosen by
    the key `kind`, which each of them declares as a `Literal`; without it the default's kind stays. Another kind than the default's has the
    defaults of its own class.

    Args:
        cls: the dataclass.
        mapping: field -> value.
        where: begins the names in errors.
        default: what the mapping differs from; None: what `cls` is without any argument.

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
    values = {} if default is None else {name: getattr(default, name) for name in known}
    for key, value in mapping.items():
        values[key] = _convert(hints[key], value, _join(where, key), values.get(key, _default(known[key])))
    try:
        return cls(**values)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"{where or cls.__name__}: {error}") from None


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def setting_differences(wanted: Any, have: Any, name: str = "") -> list[str]:
    """A line for every setting that differs between two configs as plain mappings; names begin with `name`."""
    if isinstance(wanted, dict) and isinstance(have, dict):
        return [line for key in sorted({*wanted, *have})
                for line in setting_differences(wanted.get(key), have.get(key), f"{name}.{key}" if name else key)]
    return [] if wanted == have else [f"{name}: expected {wanted}, got {have}"]


def _config(cls: type[T], value: Any, where: str, default: Any) -> T:
    """A nested config: differences from `default` where that is of this class."""
    return value if isinstance(value, cls) else from_mapping(cls, value, where, default if type(default) is cls else None)


def _convert(hint: Any, value: Any, where: str, default: Any = None) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(args, value, where, default)
    if origin is typing.Literal:
        if value not in args:
            raise UserError(f"{where}: expected one of {list(args)}, got {value!r}{_suggest(str(value), list(map(str, args)))}")
        return value
    if dataclasses.is_dataclass(hint):
        return _config(hint, value, where, default)  # type: ignore[arg-type]
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


def _convert_union(args: tuple[Any, ...], value: Any, where: str, default: Any) -> Any:
    if value is None:
        if type(None) in args:
            return None
        raise UserError(f"{where}: expected a value, got none")
    options = [a for a in args if a is not type(None)]
    configs: list[Any] = [a for a in options if dataclasses.is_dataclass(a)]
    if len(options) == 1:
        return _convert(options[0], value, where, default)
    if configs and len(configs) == len(options):
        if isinstance(value, tuple(configs)):
            return value
        by_kind = {typing.get_args(typing.get_type_hints(c)["kind"])[0]: c for c in configs}
        if isinstance(value, Mapping) and "kind" not in value and isinstance(default, tuple(configs)):
            value = {"kind": default.kind, **value}  # type: ignore[attr-defined]
        if not isinstance(value, Mapping) or "kind" not in value:
            raise UserError(f"{where}: expected a mapping with `kind`, one of {sorted(by_kind)}, got {value!r}")
        if value["kind"] not in by_kind:
            raise UserError(f"{where}.kind: expected one of {sorted(by_kind)}, got {value['kind']!r}"
                            f"{_suggest(str(value['kind']), list(by_kind))}")
        return _config(by_kind[value["kind"]], value, where, default)
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
