"""The source of a class that has no module file: of a notebook's cells, or of ``__main__``.

A whole script can't stand for its class: to import it would run it. So the class is taken out of
it with what it needs from there.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

FUTURE = "from __future__ import annotations"
PLAIN = (str, bytes, bool, int, float, complex, type(None))
LONGEST = 10_000  # characters of a constant; what is longer was read from somewhere
HARMLESS = {"dict", "frozenset", "list", "range", "set", "slice", "tuple"}  # of the built-in calls
Imports = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Extract:
    """What was found of some names.

    Attributes:
        text: source that defines them, with what they use.
        missing: names that they use and whose values no source can stand for, sorted.
    """

    text: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Definition:
    place: tuple[int, int]  # piece and line
    node: ast.stmt
    text: str


def extract(module: ModuleType, names: Iterable[str]) -> Extract:
    """Return the source of the classes ``names`` of a module that is no file to be imported.

    Args:
        module: ``__main__`` of a script, or of a notebook.
        names: of classes that it defines.
    """
    pieces, values = _pieces(module), vars(module)
    defined = _definitions(pieces)
    texts: dict[tuple[int, int], str] = {}
    missing: set[str] = set()
    wanted, seen = sorted(names), set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        if (definition := defined.get(name)) is None:
            missing |= {name} if _is_own(name, values) else set()
            continue
        text = _text(name, definition, values, defined)
        if text is None:
            missing.add(name)
            continue
        before = texts.get(
            definition.place
        )  # of `a = b = 1`, and of several names imported at once
        texts[definition.place] = text if before in (None, text) else f"{before}\n{text}"
        wanted += [] if _is_plain(values.get(name)) else sorted(_used(definition.node))
    header = [FUTURE] if any(FUTURE in piece for piece in pieces) else []
    return Extract(
        "\n\n".join([*header, *(texts[place] for place in sorted(texts))]) + "\n",
        tuple(sorted(missing)),
    )


def _pieces(module: ModuleType) -> list[str]:
    """Return the source of the module: its file, or the cells of a notebook as they were run."""
    if file := getattr(module, "__file__", None):
        try:
            with open(file, encoding="utf-8") as stream:  # noqa: PTH123  # may be no real path
                return [stream.read()]
        except (OSError, UnicodeDecodeError):
            return []
    cells = vars(module).get("In", [])  # where IPython keeps them, its magics translated
    return [cell for cell in cells if isinstance(cell, str)]


def _definitions(pieces: Sequence[str]) -> dict[str, _Definition]:
    """Return the last definition of each name at the top level."""
    found: dict[str, _Definition] = {}
    for number, piece in enumerate(pieces):
        try:
            body = ast.parse(piece).body
        except SyntaxError:
            continue
        lines = piece.splitlines()
        for node in body:
            decorators = getattr(node, "decorator_list", [])
            start = min([node.lineno, *(each.lineno for each in decorators)])
            text = "\n".join(lines[start - 1 : node.end_lineno])
            for name in _bound(node):
                found[name] = _Definition((number, start), node, text)
    return found


def _bound(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement defines."""
    match node:
        case ast.ImportFrom(module="__future__"):
            return
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (each.asname or each.name.partition(".")[0] for each in names)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Assign(targets=targets):
            yield from (each.id for each in targets if isinstance(each, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
            yield name
        case ast.Try() | ast.If() if _holds_imports_only(node):
            for part in ast.walk(node):
                if isinstance(part, Imports):
                    yield from _bound(part)


def _holds_imports_only(node: ast.Try | ast.If) -> bool:
    """Return whether it chooses among imports: by ``TYPE_CHECKING``, or by what is installed."""
    parts = [*node.body, *node.orelse]
    if isinstance(node, ast.Try):
        parts += [part for handler in node.handlers for part in handler.body]
    return all(isinstance(part, ast.Import | ast.ImportFrom | ast.Pass) for part in parts)


def _used(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _is_own(name: str, values: Mapping[str, Any]) -> bool:
    """Return whether a name that no source defines is one of the module's all the same."""
    return name in values and not name.startswith("__") and not hasattr(builtins, name)


def _text(
    name: str, definition: _Definition, values: Mapping[str, Any], defined: Collection[str]
) -> str | None:
    """Return the source of a name; None if running it again may do more than define it."""
    if not isinstance(definition.node, ast.Assign | ast.AnnAssign):
        return definition.text
    if name in values and _is_plain(values[name]):
        return f"{name} = {values[name]!r}"  # what it was, also if it was computed
    value = definition.node.value
    return definition.text if value is not None and _is_harmless(value, values) else None


def _is_plain(value: Any) -> bool:
    if type(value) in (tuple, list):
        return all(_is_plain(part) for part in value)
    if type(value) is dict:
        return all(_is_plain(part) for pair in value.items() for part in pair)
    return type(value) in PLAIN and (not isinstance(value, str | bytes) or len(value) <= LONGEST)


def _is_harmless(node: ast.AST, values: Mapping[str, Any]) -> bool:
    """Return whether an expression calls nothing but the standard library's."""
    calls = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    return all(_is_standard(call, values) for call in calls)


def _is_standard(function: ast.expr, values: Mapping[str, Any]) -> bool:
    root = function
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name):
        return False
    value = values.get(root.id)
    if value is None:
        return root.id in HARMLESS
    module = value.__name__ if isinstance(value, ModuleType) else _module_of(value)
    return module.partition(".")[0] in sys.stdlib_module_names


def _module_of(value: Any) -> str:
    """Return the module that a class or a function comes from."""
    return str(getattr(value, "__module__", None) or "")
