"""Read a class from its source: nothing is imported or run, so Keras costs milliseconds."""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_HOPS = 20  # re-exports that are followed; more go in a circle


@dataclass(frozen=True)
class Module:
    """The source of a module."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def package(self) -> str:
        """Return what relative imports start from."""
        is_package = self.path.name == "__init__.py"
        return self.name if is_package else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Constructor:
    """The arguments a class can be made with.

    Attributes:
        names: every argument, those of the parents too where they are passed on.
        required: those without a default.
        open: further names are accepted as well, or what is accepted can't be told.
    """

    names: frozenset[str]
    required: frozenset[str]
    open: bool


@dataclass(frozen=True)
class StaticClass:
    """A class as its source shows it."""

    name: str
    module: Module
    node: ast.ClassDef

    @property
    def place(self) -> tuple[Path, str]:
        """Return what tells two classes apart: file and name."""
        return self.module.path, self.name

    def bases(self) -> list[StaticClass]:
        """Return the direct parents that can be found."""
        dotted = (_dotted(base) for base in self.node.bases)
        found = (_lookup(self.module, name) for name in dotted if name)
        return [base for base in found if isinstance(base, StaticClass)]

    def lineage(self) -> list[StaticClass]:
        """Return the class and all ancestors that can be found, nearest first."""
        found = {self.place: self}
        self._collect(found)
        return list(found.values())

    def _collect(self, found: dict[tuple[Path, str], StaticClass]) -> None:
        """Add the ancestors not met yet: source that doesn't run may inherit in a circle."""
        for base in self.bases():
            if base.place not in found:
                found[base.place] = base
                base._collect(found)

    def is_a(self, parent: StaticClass) -> bool:
        """Return whether ``parent`` is the class itself or an ancestor."""
        return any(ancestor.place == parent.place for ancestor in self.lineage())

    def constructor(self) -> Constructor:
        """Return what the class can be made with, as far as the source tells."""
        names: set[str] = set()
        required: set[str] = set()
        for ancestor in self.lineage():
            if (init := ancestor.own_init()) is None:
                continue
            optional, needed = _arguments(init)
            required |= needed - names
            names |= optional | needed
            if init.args.kwarg is None:
                return Constructor(frozenset(names), frozenset(required), open=False)
            if not _passes_on(init):
                closed = _refuses_more(init)
                return Constructor(frozenset(names), frozenset(required), open=not closed)
        complete = len(self.bases()) == len(self.node.bases) and not self.node.decorator_list
        return Constructor(frozenset(names), frozenset(required), open=not complete)

    def own_init(self) -> ast.FunctionDef | None:
        """Return the class's own ``__init__``."""
        inits = (node for node in self.node.body if isinstance(node, ast.FunctionDef))
        return next((node for node in inits if node.name == "__init__"), None)


def find_class(dotted: str) -> StaticClass | None:
    """Return the class that importing ``package.module.Class`` would give, None if there is none.

    Followed are re-exports, relative imports, ``import *`` and plain assignments.
    """
    module, _, name = dotted.replace("tensorflow.keras.", "keras.", 1).rpartition(".")
    source = find_module(module)
    found = _member(source, name) if source else None
    return found if isinstance(found, StaticClass) else None


def find_module(name: str) -> Module | None:
    """Return a module's source, None if it isn't there or isn't Python."""
    path = _origin(name)
    if path is None or path.suffix != ".py":
        return None
    try:
        return Module(name, path, _parse(path, path.stat().st_mtime_ns))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return None


def class_names(module: Module) -> set[str]:
    """Return the names of the classes a module defines or re-exports, as far as they look so."""
    imported = {
        alias.asname or alias.name
        for node in _statements(module.tree.body)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    defined = {n.name for n in _statements(module.tree.body) if isinstance(n, ast.ClassDef)}
    return {name for name in imported | defined if name[:1].isupper()}


def _origin(name: str) -> Path | None:
    """Return a module's file. Parents are located, not imported, unlike ``find_spec`` does."""
    spec, path = None, ""
    for part in name.split("."):
        path = f"{path}.{part}".lstrip(".")
        spec = _spec(path, spec)
        if spec is None:
            return None
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


def _spec(
    name: str, parent: importlib.machinery.ModuleSpec | None
) -> importlib.machinery.ModuleSpec | None:
    if parent is not None:
        locations = parent.submodule_search_locations
        return importlib.machinery.PathFinder.find_spec(name, locations) if locations else None
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


@functools.lru_cache(maxsize=128)
def _parse(path: Path, _changed: int) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def _lookup(module: Module, dotted: str, hops: int = 0) -> StaticClass | Module | None:
    """Return what a dotted name means inside a module."""
    first, *rest = dotted.split(".")
    found = _member(module, first, hops, also_modules=True)
    for part in rest:
        if not isinstance(found, Module):
            return None
        found = _member(found, part, hops, also_modules=True)
    return found


def _member(
    module: Module, name: str, hops: int = 0, also_modules: bool = False
) -> StaticClass | Module | None:
    if hops > MAX_HOPS:
        return None
    for node in _statements(module.tree.body):
        found = _binding(module, node, name, hops)
        if isinstance(found, StaticClass) or (found and also_modules):
            return found
    return find_module(f"{module.name}.{name}") if also_modules else None


def _binding(module: Module, node: ast.stmt, name: str, hops: int) -> StaticClass | Module | None:
    """Return what the statement binds ``name`` to, None if it doesn't or if it can't be told."""
    match node:
        case ast.ClassDef() if node.name == name:
            return StaticClass(name, module, node)
        case ast.ImportFrom():
            return _imported(module, node, name, hops)
        case ast.Import(names=aliases):
            for alias in aliases:
                if (alias.asname or alias.name.split(".")[0]) == name:
                    return find_module(alias.name if alias.asname else name)
        case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
            other = _dotted(value)
            return _lookup(module, other, hops + 1) if other and other != name else None
    return None


def _imported(
    module: Module, node: ast.ImportFrom, name: str, hops: int
) -> StaticClass | Module | None:
    for alias in node.names:
        if alias.name == "*" or (alias.asname or alias.name) == name:
            source = find_module(_absolute(module, node))
            wanted = name if alias.name == "*" else alias.name
            if source and source.path != module.path:
                if found := _member(source, wanted, hops + 1, also_modules=True):
                    return found
            elif alias.name != "*" and source:
                return find_module(f"{source.name}.{wanted}")
    return None


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield a module's statements, those under ``if`` and ``try`` too."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _statements(node.body)
            yield from _statements(node.orelse)
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _statements(handler.body)


def _dotted(node: ast.expr) -> str | None:
    """Return ``a.b.C`` for a name or attribute; what is subscripted counts as itself."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            left = _dotted(value)
            return f"{left}.{attr}" if left else None
        case ast.Subscript(value=value):
            return _dotted(value)
    return None


def _arguments(init: ast.FunctionDef) -> tuple[set[str], set[str]]:
    """Return the names of the optional and of the required arguments."""
    plain = [argument.arg for argument in init.args.posonlyargs + init.args.args][1:]
    with_default = len(init.args.defaults)
    split = len(plain) - with_default
    required, optional = set(plain[:split]), set(plain[split:])
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        (required if default is None else optional).add(argument.arg)
    return optional, required


def _passes_on(init: ast.FunctionDef) -> bool:
    """Return whether ``super().__init__`` gets the constructor's ``**kwargs``."""
    name = init.args.kwarg.arg if init.args.kwarg else ""
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "__init__"
        and any(k.arg is None and _dotted(k.value) == name for k in call.keywords)
        for call in ast.walk(init)
    )


def _refuses_more(init: ast.FunctionDef) -> bool:
    """Return whether the constructor raises for what is left in its ``**kwargs``."""
    name = init.args.kwarg.arg if init.args.kwarg else ""
    return any(
        isinstance(node, ast.If)
        and _dotted(node.test) == name
        and any(isinstance(inner, ast.Raise) for inner in node.body)
        for node in ast.walk(init)
    )
