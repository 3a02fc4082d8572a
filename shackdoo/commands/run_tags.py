"""The tags that a run opens with: what it is found by, and which runs it is linked to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shackdoo.commands.same_as import SAME_AS
from shackdoo.provenance.environment import digest

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked
    from shackdoo.commands.stopped import Stopped
    from shackdoo.provenance.secrets import Redactor

BEFORE = "before it was resumed: "
Tags = dict[str, str]


def opening_tags(
    checked: Checked, manifest: Mapping[str, Any], stopped: Stopped | None, redactor: Redactor
) -> Tags:
    """Return the tags of a run that is about to begin.

    Args:
        checked: what it is.
        manifest: what it is made of.
        stopped: the run whose rest it is, or None.
        redactor: takes secrets out of what a user has written.
    """
    composed = checked.composed
    given = redactor.value(composed.values)["tags"]
    return {
        **{name: str(value) for name, value in given.items()},
        "shackdoo.task": composed.config.task.name,
        "shackdoo.tag": redactor.text(composed.config.tag),
        "shackdoo.lineage": checked.lineage(),
        **_digests(manifest, composed.config.task.data),
        **({} if stopped is None else _resumed(stopped, redactor)),
        **_links(checked),
    }


def links(checked: Checked) -> dict[str, dict[str, Any]]:
    """Return the part of the manifest that links a run to those that it begins with."""
    found = {}
    if (first := checked.first_weights) is not None:
        found["init_from"] = {"run": first.uid, "weights_sha256": first.weights_sha256}
    if (base := checked.composed.base) is not None:
        found["same_as"] = {"run": base.uid}
    return found


def _digests(manifest: Mapping[str, Any], data: str) -> Tags:
    """Return the tags by which runs of the same ingredients are found."""
    code = manifest["code"]
    return _told(
        {
            "shackdoo.code": _commit(code),
            "shackdoo.config_digest": manifest["config_digest"],
            "shackdoo.data_sha256": manifest["data"].get(data, {}).get("sha256"),
            "shackdoo.environment_sha256": digest(manifest["environment"]),
            "shackdoo.diff_sha256": code["diff_sha256"],
        }
    )


def _commit(code: Mapping[str, Any]) -> str:
    """Return the commit, marked if the tree differs from it."""
    commit = code.get("commit")
    return f"{commit}{'+dirty' if code.get('dirty') else ''}" if commit else "unversioned"


def _resumed(stopped: Stopped, redactor: Redactor) -> Tags:
    """Return what tells that the run was resumed, and with what changes."""
    error = stopped.recorded.tags.get("shackdoo.error")
    changes = "; ".join(str(change) for change in stopped.changes)
    return _told(
        {
            "shackdoo.resumes": str(stopped.recorded.resumes + 1),
            "shackdoo.error": error and f"{BEFORE}{error.removeprefix(BEFORE)}",
            "shackdoo.resumed_with_changes": redactor.text(changes) if changes else None,
        }
    )


def _links(checked: Checked) -> Tags:
    tags: dict[str, str | None] = {}
    if (first := checked.first_weights) is not None:
        tags["shackdoo.init_from"] = first.uid
        tags["shackdoo.init_from_mlflow_run"] = first.mlflow_id
    if (base := checked.composed.base) is not None:
        tags[SAME_AS] = base.uid
    return _told(tags)


def _told(tags: Mapping[str, str | None]) -> Tags:
    return {name: value for name, value in tags.items() if value is not None}
