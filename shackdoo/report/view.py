"""What the page of a run shows, section by section, in the words of its language."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shackdoo.metric_names import TEST, VALIDATION
from shackdoo.report import again
from shackdoo.report.content import Content, base_name, main_metrics, smaller_is_better
from shackdoo.report.curve_view import curves_view
from shackdoo.report.numbers import duration, finite, moment, number, share
from shackdoo.report.part_views import part_views

Words = Mapping[str, Any]
View = dict[str, Any]
TILES = 4  # results that are told large
SPLITS = (("train", ""), ("validation", VALIDATION), ("test", TEST))
PACKAGES = ("shackdoo", "tensorflow", "keras", "numpy", "mlflow", "hydra-core")
GIB = 2**30


def run_view(content: Content, words: Words) -> View:
    """Return the sections of a run's page, each with its ``id``, ``title`` and what it shows."""
    makers: Sequence[Callable[[Content, Words], View | None]] = (
        _results,
        curves_view,
        *(() if not content["parts"] else (_first_parts,)),
        _differs,
        _data,
        _timing,
        _environment,
        _again,
    )
    sections = [section for make in makers if (section := make(content, words)) is not None]
    return {"head": _head(content, words), "sections": sections, "links": _links(sections)}


def _links(sections: Sequence[View]) -> list[tuple[str, str]]:
    links = []
    for section in sections:
        if section["id"] == "parts":
            numbered = enumerate(section["parts"], 1)
            links += [(f"part{place}", part["title"]) for place, part in numbered]
        else:
            links.append((section["id"], section["title"]))
    return links


def _head(content: Content, words: Words) -> View:
    run = content["run"]
    facts = [
        (
            words["head"]["experiment"],
            " > ".join(filter(None, (run["experiment"], run["tag"]))),
            False,
        ),
        (words["head"]["started"], moment(run["started"]), False),
        (words["head"]["took"], _took(run, words), False),
        (words["head"]["lineage"], " < ".join(run["lineage"]) or words["none"], False),
        (words["head"]["run"], run["uid"], True),
        *((name, value, False) for name, value in run["tags"].items()),
    ]
    return {"run": run, "facts": facts, "tiles": _tiles(content, words)}


def _took(run: Mapping[str, Any], words: Words) -> str:
    if run["ended"] is None:
        return str(words["status"]["RUNNING"])
    return duration((run["ended"] - run["started"]) / 1000, words)


def _tiles(content: Content, words: Words) -> list[View]:
    first, history = content["best"].get("metric"), content["history"]
    tiles = []
    for name in main_metrics(content)[:TILES]:
        notes = [words["results"]["selects"]] if name == first else []
        if len(history.get(name, ())) > 1:
            epoch, value = _best_epoch(name, content)
            notes.append(words["results"]["best_of"].format(value=number(value), epoch=epoch))
        value = finite(content["metrics"][name])
        tiles.append({"name": name, "value": number(value), "notes": notes, "main": name == first})
    return tiles


def _best_epoch(name: str, content: Content) -> tuple[int, float]:
    less = smaller_is_better(name, content["best"])
    numbered = [(finite(v), epoch) for epoch, v in enumerate(content["history"][name], 1)]
    known = [pair for pair in numbered if not math.isnan(pair[0])] or numbered
    value, epoch = min(known, key=lambda pair: (pair[0] if less else -pair[0], pair[1]))
    return epoch, value


def _results(content: Content, words: Words) -> View:
    metrics, t = content["metrics"], words["results"]
    if content["run"]["kind"]:
        rows = [[name, number(finite(metrics[name]))] for name in main_metrics(content)]
        return {"id": "results", "title": t["title"], "columns": [t["metric"], ""], "rows": rows}
    names = dict.fromkeys(base_name(name) for name in main_metrics(content))
    rows = [
        [
            name,
            *(number(finite(metrics[k + name])) if k + name in metrics else "" for _, k in SPLITS),
        ]
        for name in names
    ]
    columns = [t["metric"], *(t[split] for split, _ in SPLITS)]
    return {"id": "results", "title": t["title"], "columns": columns, "rows": rows}


def _first_parts(content: Content, words: Words) -> View:
    return {"id": "parts", "title": "", "parts": part_views(content["parts"], words)}


def _differs(content: Content, words: Words) -> View | None:
    run, parent, t = content["run"], content["parent"], words["differs"]
    if not run["lineage"]:
        return None
    section: View = {
        "id": "differs",
        "title": t["title"],
        "notes": [],
        "columns": [],
        "rows": [],
        "after": None,
        "typed": content["manifest"].get("overrides", ()),
    }
    notes = section["notes"]
    if parent is None:
        notes.append(t["missing"])
    elif parent["parent"] is None:
        notes.append(t["no_parent"].format(task=run["task"]))
    else:
        notes.append(t["lead"].format(task=run["task"], parent=parent["parent"]))
        section |= _changes(parent, t)
    if parent and parent["skipped"]:
        notes.append(t["skipped"].format(names=", ".join(parent["skipped"])))
    if run["hooks"] is not None:
        hooks = ", ".join(run["hooks"])
        notes.append(t["hooks"].format(hooks=hooks) if hooks else t["no_hooks"])
    return section


def _changes(parent: Mapping[str, Any], t: Words) -> View:
    if parent["error"]:
        return {"after": t["failed"].format(parent=parent["parent"], error=parent["error"])}
    if not parent["changes"]:
        return {"after": t["nothing"]}
    rows = [
        [
            change["key"],
            _setting(change["old"], t),
            _setting(change["new"], t),
            t["command"] if change["typed"] else t["yaml"],
        ]
        for change in parent["changes"]
    ]
    return {"columns": [t["key"], parent["parent"], t["new"], t["by"]], "rows": rows}


def _setting(values: Sequence[Any], t: Words) -> str:
    """Return a value as YAML has it; an empty sequence stands for none at all."""
    if not values:
        return str(t["unset"])
    (value,) = values
    return value if isinstance(value, str) else json.dumps(value)


def _data(content: Content, words: Words) -> View | None:
    data, t = content["manifest"].get("data", {}), words["data"]
    kinds = ("balance", "examples")
    parts = part_views(content["parts"], words, kinds)
    if not data and not parts:
        return None
    sets = [
        {
            "name": name,
            "sha256": entry["sha256"],
            "rows": [(t[s], ", ".join(entry[s])) for s, _ in SPLITS if s in entry],
        }
        for name, entry in data.items()
    ]
    return {"id": "data", "title": t["title"], "sets": sets, "parts": parts}


def _timing(content: Content, words: Words) -> View | None:
    seconds, t = content["manifest"].get("seconds"), words["timing"]
    if not content["manifest"]:
        return None
    section: View = {"id": "timing", "title": t["title"], "rows": [], "after": None}
    if not seconds:
        return section | {"after": t["missing"]}
    whole = sum(seconds.values())
    section["rows"] = [
        {
            "name": t.get(name, name),
            "seconds": f"{value:.2f}",
            "share": share(value, whole),
            "width": round(100 * value / whole, 1) if whole else 0,
        }
        for name, value in seconds.items()
    ]
    return section | {"after": _epochs_said(content, t)}


def _epochs_said(content: Content, t: Words) -> str | None:
    took = [finite(v) for v in content["history"].get("epoch_seconds", ())]
    rates = [finite(v) for v in content["history"].get("examples_per_second", ())]
    if not took or not rates:
        return None
    mean, rate = f"{sum(took) / len(took):.2f}", f"{max(rates):,.0f}"
    text = t["epochs"] if len(took) > 1 else t["one_epoch"]
    return str(text.format(count=len(took), mean=mean, rate=rate))


def _environment(content: Content, words: Words) -> View | None:
    manifest, t = content["manifest"], words["environment"]
    if "environment" not in manifest:
        return None
    installed, machine = manifest["environment"]["packages"], manifest["machine"]
    packages = ", ".join(f"{name} {installed[name]}" for name in PACKAGES if name in installed)
    memory = f"{(machine['memory'] or 0) / GIB:.1f}"
    size = t["memory"].format(cores=machine["cores"], memory=memory)
    gpus = ", ".join(gpu["name"] for gpu in machine["gpus"]) or t["no_gpus"]
    switches = manifest["determinism"]
    rows = [
        (t["python"], manifest["environment"]["python"]),
        (t["packages"], packages),
        (
            t["machine"],
            f"{machine['hostname']}: {machine['cpu'] or machine['architecture']}, {size}",
        ),
        (t["gpus"], gpus),
        (t["threads"], str(switches.get("threads_used", switches["threads"] or words["unknown"]))),
        (t["determinism"], t["on"] if switches["enabled"] else t["off"]),
        (t["xla"], _xla(switches, t)),
        (t["seed"], str(manifest["seed"])),
        (t["commit"], _commit(manifest["code"], t)),
    ]
    return {"id": "environment", "title": t["title"], "rows": rows}


def _xla(switches: Mapping[str, Any], t: Words) -> str:
    """Return whether XLA has compiled the training, not only whether it was asked to."""
    if switches["xla"] and switches.get("xla_used") is False:
        return str(t["rejected"])
    return str(t["on"] if switches["xla"] else t["off"])


def _commit(code: Mapping[str, Any], t: Words) -> str:
    if not code["commit"]:
        return str(t["unversioned"])
    return f"{code['commit']} ({t['dirty'] if code['dirty'] else t['clean']})"


def _again(content: Content, words: Words) -> View | None:
    manifest, t, d = content["manifest"], words["again"], words["digests"]
    lines = again.commands(manifest, content["run"]["kind"])
    if not lines:
        return None
    code = manifest["code"]
    untracked = len(code["untracked"] or ())
    notes = [
        *([t["no_commit"]] if not code["commit"] else ()),
        *([t["diff"]] if code["diff_sha256"] else ()),
        *([t["untracked"].format(count=untracked)] if untracked else ()),
        *([t["hidden"]] if again.has_hidden(manifest) else ()),
    ]
    results = manifest.get("results")
    digests = [(d["config"], manifest["config_digest"])]
    if results:
        digests.insert(0, (d["weights"], results["weights"]["sha256"]))
        if results["predictions_sha256"]:
            digests.insert(1, (d["predictions"], results["predictions_sha256"]))
    return {
        "id": "again",
        "title": t["title"],
        "lead": t["lead"],
        "commands": "\n".join(lines),
        "notes": notes,
        "digests_title": d["title"],
        "digests": digests,
    }
