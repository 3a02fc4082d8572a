"""``shackdoo register RUN NAME[@ALIAS]``: put a run's model into the registry, or move an alias."""

from __future__ import annotations

from collections.abc import Sequence

from shackdoo.commands.configured_store import configured_uri
from shackdoo.commands.options import two_arguments
from shackdoo.commands.run_lookup import RunLookup
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.config.registered_name import RegisteredName, parse_registered_name
from shackdoo.errors import RequestError
from shackdoo.tracking.listing import ListedRun
from shackdoo.tracking.model_files import LoggedModel, find_model
from shackdoo.tracking.store import resolve_uri, shown

HELP = """usage: shackdoo register RUN NAME[@ALIAS]

Registers the model of a run in the tracking store's model registry: shackdoo register latest
digits@champion. A run whose model has that name already gets no second version; the alias is set,
or moved from the version that it points to so far.

  RUN     a run's id or its beginning, or latest, the newest run of this project on this machine
  NAME    of the registered model; it is made if there is none
  ALIAS   a name for this version; `models:/NAME@ALIAS` then means it

Prints the version with its aliases."""


def main(argv: Sequence[str]) -> int:
    """Register a run's model; return the exit code."""
    if {"-h", "--help"} & set(argv):
        print(HELP)
        return 0
    wanted, named = two_arguments(argv, "register", "RUN and NAME[@ALIAS]")
    name = _name(named)
    project = find_project()
    load_dotenv(project)
    print(_register(project, wanted, name))
    return 0


def _name(text: str) -> RegisteredName:
    try:
        return parse_registered_name(text)
    except ValueError as error:
        raise RequestError(f"'{text}' {error}.") from None


def _register(project: Project, wanted: str, name: RegisteredName) -> str:
    way_out = "Set MLFLOW_TRACKING_URI, or tracking.uri in conf/local/default.yaml."
    uri = resolve_uri(configured_uri(project, way_out), project.root)
    run = RunLookup(project, uri).find(wanted)
    run_id, model = _model(run, uri)
    from shackdoo.tracking.mlflow_store import registry_client

    # The client comes first: with it is set what MLflow reads when it is loaded.
    client = registry_client(uri)
    from shackdoo.tracking.mlflow_registry import ToRegister, register_now

    asked = ToRegister(run_id, model.model_id, model.location, name.name, name.alias)
    return str(register_now(client, asked))


def _model(run: ListedRun, uri: str) -> tuple[str, LoggedModel]:
    """Return the run's id in the store and its logged model.

    Raises:
        RequestError: if the store has not got it.
    """
    if run.mlflow_run_id is None or run.store != uri:
        raise RequestError(
            f"The run {run.uid[:8]} ({run.run_name}) is not in {shown(uri)} yet, so its model "
            f"can't be registered there. `shackdoo sync` ships it to its own store, "
            f"`shackdoo sync --to URI` to another one."
        )
    model = find_model(uri, run.mlflow_run_id)
    if model is not None:
        return run.mlflow_run_id, model
    if run.shipped is not None and not run.shipped.done:
        raise RequestError(
            f"The model of the run {run.uid[:8]} ({run.run_name}) is not in {shown(uri)} yet. "
            f"`shackdoo sync` ships it."
        )
    raise RequestError(
        f"The run {run.uid[:8]} ({run.run_name}, {run.status}) has no logged model in "
        f"{shown(uri)}. Name a run that has trained one; `shackdoo runs` lists them."
    )
