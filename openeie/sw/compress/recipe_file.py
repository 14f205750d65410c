# SPDX-License-Identifier: Apache-2.0
"""Recipes as TOML files: reading, with all errors in one message, and writing."""
import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ...core.errors import InputError, UntrustedError, did_you_mean
from ...core.host.untrusted import read_toml
from .recipe import Recipe

__all__ = ["read_recipe", "dump_recipe"]


def read_recipe(source: Recipe | Mapping[str, Any] | str | Path) -> Recipe:
    """A recipe.

    Parameters
    ----------
    source : the path of a TOML file, the name of a recipe in the package, a mapping of the
        recipe's fields, or a recipe.

    Raises
    ------
    InputError : the file cannot be read; keys are unknown, missing or out of range, listed one per
        line.
    """
    if isinstance(source, Recipe):
        return source
    if isinstance(source, Mapping):
        return _checked("recipe", source)
    try:
        fields = read_toml(_find(str(source)))
    except UntrustedError as error:
        raise InputError(f"cannot read the recipe {error}") from error
    return _checked(str(source), fields)


def _checked(where: str, fields: Mapping[str, Any]) -> Recipe:
    """The recipe of some fields, which come from ``where``."""
    try:
        return Recipe.model_validate(dict(fields))
    except ValidationError as error:
        raise InputError(_all_wrong(where, error)) from None


def _find(name: str) -> Any:
    """The path of a file, or of the recipe of that name in the package."""
    shipped = resources.files(__package__.rpartition(".")[0]) / "recipes"
    if name.endswith(".toml") or os.path.exists(name):     # exists: False for impossible names
        return Path(name)
    names = sorted(file.name.removesuffix(".toml") for file in shipped.iterdir()
                   if file.name.endswith(".toml"))
    if name not in names:
        raise InputError(f"no recipe {name!r} comes with the package; {did_you_mean(name, names)}"
                         f"give a .toml file, or one of {', '.join(names)}")
    return shipped / f"{name}.toml"


def _all_wrong(where: str, error: ValidationError) -> str:
    """The message about all wrong keys."""
    problems = [_problem(one) for one in error.errors()]
    count = f"{len(problems)} keys are" if len(problems) > 1 else "a key is"
    return "\n  ".join([f"{where}: {count} wrong:", *problems])


def _problem(error: Any) -> str:
    """One wrong key: its name, the rule, and the value that breaks it."""
    loc = [str(part) for part in error["loc"] if not str(part).startswith(("dict[", "list["))]
    key = ".".join(loc) or "the recipe"
    if error["type"] == "extra_forbidden":
        known = _known(loc[:-1])
        table = f"[{'.'.join(loc[:-1])}]" if loc[:-1] else "a recipe"
        return f"{key} is unknown; {did_you_mean(loc[-1], known)}{table} has {', '.join(known)}"
    if error["type"] == "missing":
        return f"{key} is missing"
    rule = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    whole_table = error["type"] == "value_error" and isinstance(error["input"], Mapping)
    if whole_table and not rule.startswith("must"):
        return f"{key}: {rule}"
    return f"{key} {rule}, not {error['input']!r}"


def _known(path: list[str]) -> list[str]:
    """The keys of a table of the recipe."""
    model: type[BaseModel] = Recipe
    for part in path:
        annotation = model.model_fields[part].annotation
        model = next(kind for kind in (annotation, *get_args(annotation))
                     if isinstance(kind, type) and issubclass(kind, BaseModel))
    return list(model.model_fields)


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as TOML, with the defaults written out; keys that are None are left out."""
    return "\n".join(_table(recipe.model_dump(exclude_none=True, mode="json"), [])) + "\n"


def _table(fields: Mapping[str, Any], path: list[str]) -> list[str]:
    """The lines of a table: its own keys, then its tables."""
    lines = [f"{_key(name)} = {_value(value)}" for name, value in fields.items()
             if not isinstance(value, Mapping)]
    if path and lines:
        lines.insert(0, f"[{'.'.join(map(_key, path))}]")
    for name, value in fields.items():
        if isinstance(value, Mapping):
            inner = _table(value, [*path, name])
            if lines and inner:
                lines.append("")
            lines += inner
    return lines


def _key(name: str) -> str:
    """A key, quoted if TOML requires it."""
    bare = name and all(one.isascii() and (one.isalnum() or one in "-_") for one in name)
    return name if bare else _value(name)


def _value(value: Any) -> str:
    """Numbers, texts and lists, whose JSON is also TOML except for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
