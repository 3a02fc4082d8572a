"""Code that was recorded on another machine is shown, and asked about, before it is run here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from shackdoo.commands.foreign_text import printable
from shackdoo.commands.recorded_run import RecordedRun
from shackdoo.errors import RequestError

PERSON = "yes"
SHOWN_LINES = 200  # of each text
WIDTH = 300  # characters of a line
LARGEST = 1 << 20  # bytes of a text that is shown


def ask(run: RecordedRun, yes: bool) -> None:
    """Show what of another machine's run would be run here, and ask.

    Args:
        run: the recorded one; for one of this machine nothing is asked.
        yes: it was answered on the command line.

    Raises:
        RequestError: if nobody says yes.
    """
    if not run.is_foreign:
        return
    for line in _lines(run):
        cut = line if len(line) <= WIDTH else f"{line[:WIDTH]}… ({len(line) - WIDTH} more)"
        print(printable(cut), file=sys.stderr)
    sys.stderr.flush()
    if yes:
        return
    if not sys.stdin.isatty():
        raise RequestError(
            f"The run {run.name} was not recorded on this machine, and to reproduce it is to run "
            f"its code. If you trust it: shackdoo reproduce {run.run.uid[:8]} --yes."
        )
    print(f"Run this code on this machine? ({PERSON}/no) ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() != PERSON:
        raise RequestError("Nothing was run.")


def _lines(run: RecordedRun) -> Iterator[str]:
    manifest = run.manifest
    code, environment, config = manifest["code"], manifest["environment"], manifest["config"]
    yield f"The run {run.name} is another machine's. To reproduce it is to run its code here:"
    yield f"  class     {config['task']['_target_']}"
    yield f"  remote    {code.get('remote') or 'none'}"
    yield f"  commit    {code.get('commit') or 'none'}"
    for module in code.get("submodules") or ():
        yield f"  submodule {module['path']}: {module['commit']} of {module.get('url') or 'none'}"
    yield f"  overrides {' '.join(manifest['overrides']) or 'none'}"
    for name, entry in (config.get("catalog") or {}).items():
        if name in manifest["data"] and entry.get("source"):
            yield f"  data      {name}: from {entry['source']} if it is not here"
    yield f"  packages  {len(environment['packages'])}, Python {environment['python']}"
    yield f"  image     {environment.get('image') or 'none'}"
    yield f"  variables {environment['variables'] or 'none'}"
    for title, text in _texts(run):
        lines = text.splitlines()
        yield f"  {title}, {len(lines)} lines"
        yield from lines[:SHOWN_LINES]
        if len(lines) > SHOWN_LINES:
            yield f"… and {len(lines) - SHOWN_LINES} lines more"


def _texts(run: RecordedRun) -> Iterator[tuple[str, str]]:
    """Yield all code that the commit does not have."""
    code = run.manifest["code"]
    for name, source in code["sources"].items():
        yield f"source of {name}", source
    files = ["code.diff"] if code.get("diff_sha256") else []
    for number, module in enumerate(code.get("submodules") or ()):
        files += [f"submodules/{number}.diff"] if module.get("diff_sha256") else []
    files += [f"untracked/{name}" for name in code.get("untracked_kept") or ()]
    files += ["code.zip"] if code.get("snapshot_sha256") else []
    for name in files:
        yield name, _text(run.file(name))


def _text(path: Path | None) -> str:
    if path is None:
        return "(the record has none)"
    size = path.stat().st_size
    if size > LARGEST or path.suffix == ".zip":
        return f"({size} bytes; too many, or no text: look at it in the store)"
    return path.read_text(encoding="utf-8", errors="replace")
