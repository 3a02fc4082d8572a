"""A recorded tree made again in a folder of its own: commit, uncommitted changes, untracked files.

What is recorded may come from somebody else, so it is taken as data: git gets argument lists and
no shell, knows no settings, hooks and filters, and fetches by https, ssh or from a folder only;
every name stays inside the folder. The user's own repository is read and never written.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from shackdoo.errors import IngredientError, RequestError
from shackdoo.provenance.names import is_inside
from shackdoo.provenance.plain_git import COMMIT, SETTINGS, without_git
from shackdoo.provenance.redacted_head import redacted_places

REMOTES = (
    re.compile(r"https?://[A-Za-z0-9\[][^\s\x00-\x1f]*"),
    re.compile(r"(?:git\+)?ssh://(?:[\w.-]+@)?[A-Za-z0-9\[][^\s\x00-\x1f]*"),
    re.compile(r"(?:file://)?/[^\x00-\x1f]*"),
    re.compile(r"\w[\w.-]*@\w[\w.-]*:(?!-)[^\s\x00-\x1f:][^\s\x00-\x1f]*"),  # git@host:path
)
CREDENTIALS = re.compile(r"(?<=://)\*\*\*@")
REACHING = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_CONFIG_GLOBAL", "GIT_SSL_CAINFO")
# No setting of the tree's own repository is followed, nothing of it is executed.
INERT = (
    *("-c", f"core.hooksPath={os.devnull}", "-c", f"core.attributesFile={os.devnull}"),
    *("-c", "core.fsmonitor=false", "-c", "core.autocrlf=false", "-c", "submodule.recurse=false"),
    *("-c", "protocol.allow=never", "-c", "protocol.file.allow=always"),
    *("-c", "protocol.http.allow=always", "-c", "protocol.https.allow=always"),
    *("-c", "protocol.ssh.allow=always", "-c", "gc.auto=0", "-c", "safe.directory=*"),
)
SECONDS = 600  # of a fetch
MAX_DIFF = 1 << 27  # bytes
MAX_FILE = 1 << 26
MAX_SNAPSHOT = 1 << 28

File = Callable[[str], Path | None]  # a file of the run's record, by its name there


@dataclass(frozen=True)
class Tree:
    """A tree that was made.

    Attributes:
        top: its folder.
        root: the project in it.
        steps: what was done, a line each.
    """

    top: Path
    root: Path
    steps: tuple[str, ...]


def make_tree(
    code: Mapping[str, Any],
    into: Path,
    near: Iterable[Path],
    file: File,
    alone: bool = False,
    fetching: bool = True,
) -> Tree:
    """Make the tree of a run.

    Args:
        code: the part of its manifest.
        into: the folder; it is made.
        near: projects on this machine whose repositories may have the commit.
        file: gives the files of the record.
        alone: the tree has all that git needs in itself, and borrows from no other repository.
        fetching: what is not on this machine is fetched.

    Raises:
        RequestError: if what is recorded is none that is followed.
        IngredientError: if something of it can't be had.
    """
    commit, prefix = code.get("commit"), PurePosixPath(code.get("prefix") or ".")
    steps: list[str] = []
    if commit is None or code.get("snapshot_sha256"):  # an image of a tree with changes has both
        steps.append(_unpack(code, into, file))
        return Tree(into, into, tuple(steps))
    _check_commit(commit)
    source = _Source([top for each in near if (top := _top(each))], alone, fetching)
    steps.append(_check_out(commit, code.get("remote"), into, source))
    steps += _submodules(code, into, source, file)
    steps += _changes(code, into, file)
    root = into / inside(str(prefix)) if str(prefix) != "." else into
    if not root.is_dir():
        raise IngredientError(
            f"The commit {commit[:12]} has no folder {prefix}, in which the run's project was."
        )
    return Tree(into, root, tuple(steps))


@dataclass(frozen=True)
class _Source:
    """Where commits come from, and how."""

    tops: Sequence[Path]
    alone: bool
    fetching: bool

    def below(self, name: PurePosixPath) -> _Source:
        """Return the same for a submodule."""
        return replace(self, tops=[top / name for top in self.tops])


def _top(project: Path) -> Path | None:
    """Return the top of a project's repository."""
    top = _told(project, "rev-parse", "--show-toplevel")
    return None if top is None else Path(top)


def _check_commit(commit: object) -> None:
    if not (isinstance(commit, str) and COMMIT.fullmatch(commit)):
        raise RequestError(f"'{str(commit)[:80]}' is recorded as the commit, but is no digest.")


def checked_remote(remote: str) -> str:
    """Return the address that is fetched from, credentials left out.

    Raises:
        RequestError: if it is none of https, ssh or a folder.
    """
    address = CREDENTIALS.sub("", remote)
    if any(pattern.fullmatch(address) for pattern in REMOTES):
        return address
    raise RequestError(
        f"The run was recorded with the remote '{remote[:200]}', which is not fetched from: only "
        f"https://, http://, ssh:// and folders of this machine are. If you have its commit, run "
        f"shackdoo in that repository."
    )


def inside(name: str) -> PurePosixPath:
    """Return a recorded name of a file as a path that stays inside the tree.

    Raises:
        RequestError: if it does not.
    """
    if not is_inside(name):
        raise RequestError(f"The record names the file {name[:200]!r}, which is none in a tree.")
    return PurePosixPath(name)


# ── the commit ───────────────────────────────────────────────────────────────────────────────────


def _check_out(commit: str, remote: str | None, into: Path, source: _Source) -> str:
    """Put the commit's files into the folder; return where they came from."""
    into.mkdir(parents=True)
    digests = "sha256" if len(commit) == 64 else "sha1"
    _git(into, "init", "--quiet", "--template=", f"--object-format={digests}")
    where = _borrow(commit, into, source.tops)
    if where is None:
        address = None if remote is None else checked_remote(remote)
        if address is not None and not source.fetching:
            raise IngredientError(
                f"The commit {commit[:12]} is not here; it would be fetched from {address}."
            )
        where = _fetch(commit, address, into)
    _git(into, "checkout", "--quiet", "--detach", "--force", commit)
    if source.alone:
        _stand_alone(commit, into)
    return f"the commit {commit[:12]} from {where}"


def _borrow(commit: str, into: Path, near: Iterable[Path]) -> str | None:
    """Let the tree read the objects of the first repository that has the commit."""
    alternates = into / ".git" / "objects" / "info" / "alternates"
    alternates.parent.mkdir(parents=True, exist_ok=True)
    for project in near:
        objects = _told(project, "rev-parse", "--path-format=absolute", "--git-path", "objects")
        if objects is None:
            continue
        alternates.write_text(f"{objects}\n", encoding="utf-8")
        if _told(into, "cat-file", "-t", commit) == "commit":
            return str(project)
    alternates.unlink(missing_ok=True)
    return None


def _stand_alone(commit: str, into: Path) -> None:
    """Copy what the tree has borrowed; of its history it needs the commit alone."""
    (into / ".git" / "shallow").write_text(f"{commit}\n", encoding="utf-8")
    _git(into, "repack", "-a", "-d", "--quiet")
    (into / ".git" / "objects" / "info" / "alternates").unlink(missing_ok=True)


def _fetch(commit: str, address: str | None, into: Path) -> str:
    if address is None:
        raise IngredientError(
            f"The commit {commit[:12]} is not here, and no remote is on record from which it could "
            f"be fetched. Run shackdoo in a repository that has it."
        )
    fetch = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
    alone = _try(into, *fetch, "--depth=1", "--", address, commit)
    if alone is not None:  # some servers give what has a name only
        refs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        trouble = _try(into, *fetch, "--", address, *refs)
        if trouble is not None:
            raise IngredientError(
                f"The commit {commit[:12]} is not here, and it can't be fetched from {address}: "
                f"{trouble}."
            )
    if _told(into, "cat-file", "-t", commit) != "commit":
        raise IngredientError(
            f"The commit {commit[:12]} is neither here nor in {address}: it was never pushed, or "
            f"has been removed. Run shackdoo in a repository that has it."
        )
    return address


# ── what the commit does not have ────────────────────────────────────────────────────────────────


def _changes(code: Mapping[str, Any], top: Path, file: File) -> list[str]:
    """Apply the uncommitted changes; return what was done."""
    steps = []
    if (digest := code.get("diff_sha256")) is not None:
        steps.append(_apply(file("code.diff"), "code.diff", digest, top))
    _check_left_out(code)
    kept: Mapping[str, str] = code.get("untracked_kept") or {}
    for name, wanted in kept.items():
        _put(inside(name), _kept(file, f"untracked/{name}", wanted, f"untracked file {name}"), top)
    if kept:
        steps.append(f"{len(kept)} untracked files")
    return steps


def _check_left_out(code: Mapping[str, Any]) -> None:
    """Raise an IngredientError if a file that the task is made of was not kept."""
    prefix, modules = code.get("prefix") or "", code.get("modules") or {}
    left_out: Mapping[str, str] = code.get("untracked_left_out") or {}
    for name, why in left_out.items():
        if name.removeprefix(prefix) in modules:
            raise IngredientError(
                f"The run was made from the untracked file {name}, which was not kept: {why}. Put "
                f"it into the repository, or under another name."
            )


def _apply(diff: Path | None, name: str, digest: str, top: Path) -> str:
    content = _recorded(diff, name, digest, "uncommitted changes", MAX_DIFF)
    lines = content.count(b"\n")
    trouble = _try(top, "apply", "--index", "--binary", "--whitespace=nowarn", "-", given=content)
    if trouble is not None:
        raise IngredientError(f"The uncommitted changes can't be applied to the commit: {trouble}.")
    return f"its uncommitted changes, {lines} lines"


def _kept(file: File, name: str, digest: str, what: str) -> tuple[bytes, int]:
    """Return content and mode of a kept file."""
    path = file(name)
    content = _recorded(path, name, digest, what, MAX_FILE)
    return content, 0o755 if path is not None and os.access(path, os.X_OK) else 0o644


def _recorded(path: Path | None, name: str, digest: str, what: str, most: int) -> bytes:
    """Return a file of the record, seen to be the one that was recorded."""
    if path is None:
        raise IngredientError(
            f"The {what} of the run can't be had: its record has no {name}. They are kept on the "
            f"machine of the run; tracking.untracked=true ships untracked files, too."
        )
    if path.stat().st_size > most:
        raise RequestError(f"{name} of the run has more than {most >> 20} MB; it is not taken.")
    content = path.read_bytes()
    if (places := redacted_places(content)) is not None:
        listed = "\n".join(f"  {place}" for place in places)
        raise IngredientError(
            f"The {what} of the run can't be had as they were, since secrets were taken out before "
            f"they were shipped:\n{listed}\nOn the machine of the run they are whole."
        )
    if hashlib.sha256(content).hexdigest() != digest:
        raise RequestError(f"{name} has been changed since the run was recorded: another sha256.")
    return content


def _put(name: PurePosixPath, kept: tuple[bytes, int], top: Path) -> None:
    target = safe_target(top, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(kept[0])
    target.chmod(kept[1])


def safe_target(top: Path, name: PurePosixPath, replacing: bool = False) -> Path:
    """Return the path of a file in the tree that is about to be written.

    Args:
        top: the tree.
        name: of the file.
        replacing: a link of that name is taken away before.

    Raises:
        RequestError: if a link in the tree leads it elsewhere.
    """
    target = top / name
    link = target.is_symlink() and not replacing
    if link or target.parent.resolve() != top.resolve() / name.parent:
        raise RequestError(f"The file {name} would be written through a link of the tree.")
    return target


def _submodules(code: Mapping[str, Any], top: Path, source: _Source, file: File) -> list[str]:
    steps = []
    for number, module in enumerate(code.get("submodules") or ()):
        name, commit = inside(module["path"]), module["commit"]
        _check_commit(commit)
        target = safe_target(top, name)
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()  # git leaves an empty folder
        if target.exists():
            raise RequestError(f"The record names the submodule {name}, where the tree has files.")
        step = _check_out(commit, module.get("url"), target, source.below(name))
        steps.append(f"submodule {name}: {step}")
        if (digest := module.get("diff_sha256")) is not None:
            diff = f"submodules/{number}.diff"
            steps.append(f"submodule {name}: {_apply(file(diff), diff, digest, target)}")
    return steps


def _unpack(code: Mapping[str, Any], into: Path, file: File) -> str:
    """Unpack what was kept of a tree that is in no repository."""
    digest = code.get("snapshot_sha256")
    if digest is None:
        raise IngredientError(
            "The run was made from code that is in no git repository, and its record has no copy "
            "of it."
        )
    _recorded(archive := file("code.zip"), "code.zip", digest, "code", MAX_SNAPSHOT)
    into.mkdir(parents=True)
    if not zipfile.is_zipfile(str(archive)):
        raise RequestError("code.zip of the run is damaged: it is no zip.")
    with zipfile.ZipFile(str(archive)) as content:
        entries = [entry for entry in content.infolist() if not entry.is_dir()]
        if sum(entry.file_size for entry in entries) > MAX_SNAPSHOT:
            raise RequestError(f"code.zip of the run has more than {MAX_SNAPSHOT >> 20} MB.")
        for entry in entries:
            _put(inside(entry.filename), (content.read(entry), 0o644), into)
    return f"{len(entries)} files that were kept of it; it is in no repository"


# ── git ──────────────────────────────────────────────────────────────────────────────────────────


def _environment(fetching: bool) -> dict[str, str]:
    """Return the environment of git; how a remote is reached is the user's own setting."""
    if fetching:
        return without_git(REACHING) | {"GIT_TERMINAL_PROMPT": "0"}
    return without_git() | SETTINGS


def _run(
    folder: Path, arguments: Sequence[str], given: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    environment = _environment(fetching=arguments[0] == "fetch")
    command = ["git", "--no-optional-locks", "-C", str(folder), *INERT, *arguments]
    try:
        return subprocess.run(
            command,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            env=environment,
            timeout=SECONDS,
        )
    except FileNotFoundError:
        raise IngredientError(
            "git is not installed; the recorded tree is made with it (Debian: apt-get install git)."
        ) from None
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, b"", f"no end in {SECONDS} s".encode())


def _try(folder: Path, *arguments: str, given: bytes | None = None) -> str | None:
    """Run git; return what it says if it fails."""
    done = _run(folder, arguments, given)
    said = " ".join(done.stderr.decode("utf-8", "replace").split())
    return None if done.returncode == 0 else said.removeprefix("fatal: ")[:400].rstrip(".")


def _git(folder: Path, *arguments: str) -> None:
    trouble = _try(folder, *arguments)
    if trouble is not None:
        raise IngredientError(f"The recorded tree can't be made: git {arguments[0]}: {trouble}.")


def _told(folder: Path, *arguments: str) -> str | None:
    """Return git's answer, None if it has none."""
    if not folder.is_dir():
        return None
    done = _run(folder, arguments)
    return os.fsdecode(done.stdout).strip() if done.returncode == 0 else None
