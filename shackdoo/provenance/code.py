"""The code that trained a model, as files: shackdoo's own, and what the task's class needs.

With them and the packages that they import the task can be made where shackdoo is not installed.
"""

from __future__ import annotations

import ast
import hashlib
import io
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shackdoo.provenance.source import MAIN, OWN, class_sources, missing_names, module_file

PACKAGE = Path(__file__).parents[1]
INSTALLED = {"site-packages", "dist-packages"}
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip knows: equal files give equal bytes


@dataclass(frozen=True)
class Code:
    """Files that are to be put on Python's path together.

    Attributes:
        module: what the task's class is imported from.
        files: path to content.
        imports: other packages that the user's own files import, by the names of their modules.
    """

    module: str
    files: Mapping[str, bytes]
    imports: frozenset[str]


def task_code(task_class: type) -> Code:
    """Return the code of a task's class.

    That is shackdoo's package, the modules of the class and its parents, and what these import
    from the same folder. A class of ``__main__`` or a notebook gets a module of its own.
    """
    files, module = dict(_package()), task_class.__module__
    imports: set[str] = set()
    for name, text in class_sources(task_class).items():
        near = [name]
        if name == MAIN:
            module = f"task_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
            files[f"{module}.py"] = text.encode()
            near = sorted(each for each in set(_imported(text, "")) if _is_users(each))
            imports |= {each.partition(".")[0] for each in _imported(text, "")} - set(near)
        for each in near:
            for path, (content, others) in _with_neighbours(each).items():
                files[path] = content
                imports |= others
    return Code(module, files, frozenset(imports - sys.stdlib_module_names - {OWN}))


@dataclass(frozen=True)
class Collected:
    """All that is known of the code of a task's class, read once.

    Attributes:
        sources: of the class and its parents, by the names of their modules.
        missing: what these use that has no source.
        files: path to content; what uses something without a source counts with what there is.
        code: the same to be put on Python's path; None if something has no source.
    """

    sources: Mapping[str, str]
    missing: tuple[str, ...]
    files: Mapping[str, bytes]
    code: Code | None

    def digests(self) -> dict[str, str]:
        """Return path to sha256 of each file."""
        return {path: hashlib.sha256(self.files[path]).hexdigest() for path in sorted(self.files)}


def collect(task_class: type) -> Collected:
    """Read the code of a task's class."""
    sources, missing = class_sources(task_class), missing_names(task_class)
    if missing:
        classes = {name: text.encode() for name, text in sources.items()}
        return Collected(sources, missing, {**dict(_package()), **classes}, None)
    code = task_code(task_class)
    return Collected(sources, missing, code.files, code)


def _is_users(module: str) -> bool:
    """Return whether an imported module is a file of the user's own, not an installed one."""
    top, file = module.partition(".")[0], module_file(module)
    elsewhere = top == OWN or top in sys.stdlib_module_names
    return file is not None and not elsewhere and not INSTALLED & set(file.parts)


def as_zip(files: Mapping[str, bytes]) -> bytes:
    """Return the files as a zip; the same files give the same bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(files):
            archive.writestr(zipfile.ZipInfo(path, FIRST_DATE), files[path], zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _package() -> Iterator[tuple[str, bytes]]:
    """Yield shackdoo's own source."""
    for path in PACKAGE.rglob("*.py"):
        yield f"{OWN}/{path.relative_to(PACKAGE).as_posix()}", path.read_bytes()


def _with_neighbours(name: str) -> dict[str, tuple[bytes, set[str]]]:
    """Return the files of a module, and of all it imports from the same folder or package.

    Returns:
        Path to content, and the packages from elsewhere that it imports.
    """
    base = _base(name)
    installed = bool(INSTALLED & set(base.parts))
    found: dict[str, tuple[bytes, set[str]]] = {}
    wanted, seen = [name], set[str]()
    while wanted:
        module = wanted.pop()
        if module in seen:
            continue
        seen.add(module)
        if (file := _file(base, module)) is None:
            continue
        text = file.read_text(encoding="utf-8")
        imported = set(_imported(text, module if file.stem == "__init__" else _parent(module)))
        near = {each for each in imported if _is_near(each, name, installed) and _is_in(base, each)}
        elsewhere = {each.partition(".")[0] for each in imported - near}
        found[file.relative_to(base).as_posix()] = (text.encode(), elsewhere)
        wanted += [part for each in (*near, module) for part in _with_parents(each)]
    return found


def _is_near(imported: str, name: str, installed: bool) -> bool:
    """Return whether a module may be taken along: of what is installed the same package only."""
    top = imported.partition(".")[0]
    if top == OWN or top in sys.stdlib_module_names:
        return False
    return not installed or top == name.partition(".")[0]


def _base(name: str) -> Path:
    """Return the folder on Python's path that a module was imported from."""
    file = module_file(name)
    if file is None:
        raise FileNotFoundError(name)
    depth = name.count(".") + (1 if file.stem == "__init__" else 0)
    return file.parents[depth]


def _file(base: Path, module: str) -> Path | None:
    path = base.joinpath(*module.split("."))
    for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
        if file.is_file():
            return file
    return None


def _is_in(base: Path, module: str) -> bool:
    top = module.partition(".")[0]
    return (base / top).is_dir() or (base / f"{top}.py").is_file()


def _parent(module: str) -> str:
    return module.rpartition(".")[0]


def _with_parents(module: str) -> Iterator[str]:
    while module:
        yield module
        module = _parent(module)


def _imported(text: str, package: str) -> Iterator[str]:
    """Yield the modules that a source imports, wherever in it; what may be a module is named too.

    Args:
        text: the source.
        package: that relative imports start from.
    """
    for node in _run(ast.parse(text).body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, package)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _run(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield all nodes but those that only a type checker sees."""
    for node in nodes:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from _run(node.orelse)
            continue
        yield node
        yield from _run(ast.iter_child_nodes(node))


def _origin(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])
