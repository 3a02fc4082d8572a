"""What a recorded run needs to be made again: its code, data, Python or image, and variables."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from shackdoo.catalog.inputs.open import STDIN
from shackdoo.commands.again import VARIABLE
from shackdoo.commands.engine import NoEngineError, engine, image_id
from shackdoo.commands.joined import JOINED
from shackdoo.commands.recorded_data import place_data
from shackdoo.commands.recorded_image import image_for
from shackdoo.commands.recorded_run import RecordedRun
from shackdoo.commands.same_as_option import CONFIG
from shackdoo.commands.stopped import MANIFEST, REQUEST
from shackdoo.config.project import Project
from shackdoo.errors import IngredientError, RequestError, ShackdooError
from shackdoo.provenance.capture import write_manifest
from shackdoo.provenance.compare import without_cache_flags
from shackdoo.provenance.environment import MATTERS
from shackdoo.provenance.environments import Plan, Rebuilt, missing, plan
from shackdoo.provenance.names import safe_target
from shackdoo.provenance.packages import own_names
from shackdoo.provenance.secrets import HIDDEN
from shackdoo.provenance.worktree import Tree, make_tree

Say = Callable[[str], None]
MAIN = "__main__."  # begins the target of a task that was written in a notebook or a script
# What an inference is asked in words of its own when it is made again.
ASKED_ANEW = ("task", "run", "input", "output")


@dataclass(frozen=True)
class Ready:
    """All that a run needs to be made again.

    Attributes:
        tree: the recorded code.
        python: that has the packages.
        paths: folders that Python finds modules in, besides.
        image: in which it runs; None for none.
        links: files elsewhere that the tree has links to.
        variables: of the environment that it is computed in.
        request: the command with what names its configuration.
    """

    tree: Tree
    python: Path
    paths: tuple[Path, ...]
    image: str | None
    links: list[Path]
    variables: Mapping[str, str]
    request: tuple[str, ...]


class Needs:
    """Makes what a recorded training needs again, in a folder that is the caller's to remove."""

    def __init__(
        self,
        run: RecordedRun,
        project: Project,
        here: bool,
        scratch: Path,
        say: Say,
        fetching: bool = True,
    ) -> None:
        """Prepare to make them.

        Args:
            run: the recorded one.
            project: of whoever asks; it may have commit and data.
            here: Python, packages, variables and threads are those of the present.
            scratch: a folder for the tree.
            say: tells the user what is done.
            fetching: what is not on this machine is fetched.
        """
        self.run, self.project, self.here, self.fetching = run, project, here, fetching
        self.scratch, self.say = scratch, say
        self.manifest = run.manifest

    def tree(self) -> Tree:
        """Make the recorded code again, in the scratch folder."""
        near = [self.project.root, *self._recorded_root()]
        code, alone = self.manifest["code"], self._in_image
        into = self.scratch / "tree"
        tree = make_tree(code, into, near, self.run.file, alone, self.fetching)
        if not (conf := safe_target(tree.root, PurePosixPath("conf"))).is_dir():
            conf.mkdir()  # an empty folder is in no commit
        for step in (*tree.steps, *self._notebook_sources(tree)):
            self.say(f"code      {step}")
        return tree

    def _recorded_root(self) -> list[Path]:
        """Return where the project was, if the run was recorded on this machine."""
        root = self.manifest["code"].get("root")
        return [Path(root)] if root and not self.run.is_foreign else []

    def _notebook_sources(self, tree: Tree) -> Iterator[str]:
        """Write the classes that stood in no file as a module."""
        module = self._notebook_module()
        if module is not None:
            source = self.manifest["code"]["sources"]["__main__"]
            target = safe_target(tree.root, PurePosixPath(f"{module}.py"))
            target.write_text(source, encoding="utf-8")
            yield f"the class from a notebook or a script, as {module}.py"

    def _notebook_module(self) -> str | None:
        """Return the name of the module that holds a notebook's class, as the record names it."""
        if not str(self.manifest["config"]["task"]["_target_"]).startswith(MAIN):
            return None
        found = [n for n in self.manifest["code"]["modules"] if re.fullmatch(r"task_\w+\.py", n)]
        if len(found) != 1 or "__main__" not in self.manifest["code"]["sources"]:
            raise IngredientError(
                "The task's class was written in a notebook or a script and uses what has no "
                "source, so it can't be made again. Put the class into a module of the project."
            )
        return str(found[0]).removesuffix(".py")

    def data(self, tree: Tree) -> list[Path]:
        """See that the recorded data are there; return the files that the tree has links to."""
        bundle = tree.root if (tree.root / "shackdoo").is_dir() else self.project.bundle
        near = [self.project, *(Project(root, root) for root in self._recorded_root())]
        placed = place_data(self.manifest, Project(tree.root, bundle), near, self.fetching)
        for line in placed.lines:
            self.say(f"data      {line}")
        return placed.links

    def python(self, tree: Tree) -> Rebuilt:
        """Return a Python with the recorded packages."""
        if self.here or self._in_image:
            self.say(f"packages  those of {'this environment' if self.here else 'the image'}")
            return Rebuilt(Path(sys.executable), False, 0.0)
        return self._planned(tree).python(self.say)

    def _planned(self, tree: Tree) -> Plan:
        """Return which Python it will be, and say so."""
        environment, state = self.manifest["environment"], self.project.state_dir()
        planned = plan(environment, state, own_names(tree.root))
        self.say(f"packages  {planned}")
        return planned

    @property
    def _in_image(self) -> bool:
        """Whether the run is made again in the image that it was made in."""
        return not self.here and self.manifest["environment"]["image"] is not None

    def image(self, tree: Tree) -> str | None:
        """Return the image of the run, or one with the same packages; None if it was in none."""
        if not self._in_image:
            return None
        return image_for(self.manifest["environment"], tree.root, self.say, own_names(tree.root)).id

    def variables(self) -> dict[str, str]:
        """Return the environment of the child: the recorded variables that matter, no others."""
        present = {name: v for name, v in os.environ.items() if name not in (JOINED, VARIABLE)}
        if not self.here:
            present = {name: v for name, v in present.items() if not name.startswith(MATTERS)}
            present |= self._recorded_variables()
        return present

    def _recorded_variables(self) -> dict[str, str]:
        recorded: Mapping[str, str] = self.manifest["environment"]["variables"]
        hidden = [name for name, value in recorded.items() if HIDDEN in value]
        if hidden:
            raise IngredientError(
                f"The value of {', '.join(hidden)} is a secret, which no record has. `--here` "
                f"takes the variables as they are set now."
            )
        cleaned = {name: without_cache_flags(value) for name, value in recorded.items()}
        odd = [n for n, v in cleaned.items() if "=" in n or "\0" in n + v]
        if odd:
            raise RequestError(f"The record names the variable {odd[0]!r}, which is none.")
        return {
            name: value for name, value in cleaned.items() if value and name.startswith(MATTERS)
        }

    def request(self) -> tuple[str, ...]:
        """Return the command that asks for the recorded configuration."""
        return ("train", "--same-as", self._same_as())

    def _same_as(self) -> str:
        """Return what ``--same-as`` is given: the run, or a file of its configuration."""
        module = self._notebook_module()
        if module is None and not self.run.is_foreign:
            return self.run.run.uid
        values = dict(self.manifest["config"])
        if module is not None:
            target = str(values["task"]["_target_"]).removeprefix(MAIN)
            values["task"] = {**values["task"], "_target_": f"{module}.{target}"}
        path = self.scratch / CONFIG
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        # Beside it is looked for what was hidden, and for the secrets that are still to be had.
        write_manifest(self.manifest, self.scratch / MANIFEST)
        asked = None if self.run.is_foreign else self.run.file(REQUEST)
        if asked is not None:
            shutil.copyfile(asked, self.scratch / REQUEST)
        return str(path)

    def ready(self) -> Ready:
        """Make all that the run needs.

        Raises:
            IngredientError: if something of it can't be had.
        """
        tree = self.tree()
        links = self.data(tree)
        python, image = self.python(tree), self.image(tree)
        # A project that is installed as a link to a folder is that of the tree.
        paths = (tree.root / "src", tree.root, *python.paths)
        return Ready(tree, python.python, paths, image, links, self.variables(), self.request())

    def missing(self) -> list[str]:
        """Say what would be done, and return what can't be had, a text each."""
        found: list[str] = []

        def step(act: Callable[[], object]) -> None:
            try:
                act()
            except ShackdooError as error:
                found.append(str(error))

        trees: list[Tree] = []
        step(lambda: trees.append(self.tree()))
        step(lambda: self.data(trees[0]) if trees else None)
        step(lambda: self._check_python(trees[0]) if trees else None)
        step(self.variables)
        step(self.request)
        return found

    def _check_python(self, tree: Tree) -> None:
        if self.here:
            return
        if self._in_image:
            self._check_image(tree)
            return
        self._planned(tree)
        if troubles := missing(self.manifest["environment"], own_names(tree.root)):
            raise IngredientError("; ".join(troubles))

    def _check_image(self, tree: Tree) -> None:
        wanted = str(self.manifest["environment"]["image"])
        try:
            with engine() as client:
                there = image_id(client, wanted) is not None
        except NoEngineError as error:
            raise IngredientError(f"The run was made in an image, and {error}") from None
        made = "" if there else ", which is not here: one is built from the recorded tree"
        self.say(f"packages  those of the image {wanted}{made}")


class InferNeeds(Needs):
    """Makes what a recorded inference needs again: the same model, the same inputs."""

    def data(self, tree: Tree) -> list[Path]:
        """See that the inputs are there; the run itself tells if their content has changed."""
        wanted = self._input()
        if wanted in self.manifest["config"]["catalog"]:
            return super().data(tree)
        fixed = re.split(r"[*?\[]", wanted, maxsplit=1)[0] or "/"
        there = Path(fixed).exists() or (Path(fixed).parent.is_dir() and fixed != wanted)
        if not there:
            raise IngredientError(f"The inputs of the run can't be had: there is no {wanted} now.")
        self.say(f"inputs    {wanted}")
        return [Path(fixed)] if Path(fixed).exists() else [Path(fixed).parent]

    def _input(self) -> str:
        wanted = self.manifest.get("input")
        if wanted is None:
            raise IngredientError("The record of the run does not tell what its inputs were.")
        if wanted == STDIN:
            raise IngredientError(
                "The inputs of the run came through standard input, and no record has them."
            )
        return str(wanted)

    def request(self) -> tuple[str, ...]:
        """Return the command with the recorded overrides, the model by its run's uid."""
        overrides: list[str] = self.manifest["overrides"]
        if hidden := [_key(each) for each in overrides if HIDDEN in each]:
            raise IngredientError(
                f"The run was asked for with secrets, which no record has: {', '.join(hidden)}."
            )
        return (
            "infer",
            f"task={self.manifest['config']['task']['name']}",
            f"run={self.manifest['trained_run']}",
            f"input={self._input()}",
            f"output={self.scratch / 'answers.npz'}",
            *(each for each in overrides if not _is_asked_anew(_key(each))),
        )


def _is_asked_anew(key: str) -> bool:
    """Return whether a setting is today's, or said in words of its own."""
    return key in ASKED_ANEW or key.partition(".")[0] in ("hydra", "tracking")


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]
