"""Registering logged models. Every call may be repeated: a version is made once.

An adapter of MLflow: import it where it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shackdoo.tracking.mlflow_client import MlflowClient  # first: it sets MLflow up

# isort: split
from mlflow.exceptions import MlflowException

from shackdoo.errors import StoreError
from shackdoo.tracking.listing import RUN_UID, TASK
from shackdoo.tracking.registry import REGISTERED, Version
from shackdoo.tracking.store import is_server, without_password

ALIAS = "shackdoo.alias"  # tag of a version: the alias that its training has set
TAKEN = "RESOURCE_ALREADY_EXISTS"
FINAL = (
    *("INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED"),
    TAKEN,  # by a prompt: MLflow keeps both under one name
)


class RegistryRefusedError(Exception):
    """The registry refuses for good: to ask it again is no use."""


@dataclass(frozen=True)
class ToRegister:
    """A logged model, and what it is to be called.

    Attributes:
        run_id: MLflow's id of the run that made it.
        model_id: MLflow's.
        location: where its files are.
        name: of the registered model.
        alias: that is to point to its version, or None.
    """

    run_id: str
    model_id: str
    location: str
    name: str
    alias: str | None


def register_once(client: MlflowClient, model: ToRegister) -> Version:
    """Register a model when its run is shipped; a resend finds the version that it made.

    The alias is set once: if somebody has moved it since, a resend does not move it back.

    Raises:
        RegistryRefusedError: if it never will be.
    """
    try:
        version = _version(client, model)
        if model.alias is not None and version.tags.get(ALIAS) != model.alias:
            client.set_registered_model_alias(model.name, model.alias, version.version)
            client.set_model_version_tag(model.name, version.version, ALIAS, model.alias)
    except MlflowException as error:
        if error.error_code in FINAL:
            raise RegistryRefusedError(_first_line(error, client.tracking_uri)) from error
        raise
    return _told(client, model, int(version.version))


def register_now(client: MlflowClient, model: ToRegister) -> Version:
    """Register a model if it is not yet, and set the alias, whatever it points to so far.

    Raises:
        StoreError: if the store refuses.
    """
    try:
        version = _version(client, model)
        if model.alias is not None:
            client.set_registered_model_alias(model.name, model.alias, version.version)
        return _told(client, model, int(version.version))
    except MlflowException as error:
        reason = _first_line(error, client.tracking_uri)
        raise StoreError(f"The store does not register '{model.name}': {reason}") from error


def _version(client: MlflowClient, model: ToRegister) -> Any:
    """Return the run's version of the registered model; make what is missing."""
    found = client.search_model_versions(f"run_id = '{model.run_id}'")
    if same := [version for version in found if version.name == model.name]:
        return min(same, key=lambda version: int(version.version))
    try:
        client.create_registered_model(model.name)
    except MlflowException as error:
        if error.error_code != TAKEN or not _is_model(client, model.name):
            raise
    own = client.get_run(model.run_id).data.tags
    # A server wants to know the source as its own model; a database would look for it in
    # whatever store this process has for a default.
    source = f"models:/{model.model_id}" if is_server(client.tracking_uri) else model.location
    return client.create_model_version(
        model.name,
        source,
        run_id=model.run_id,
        tags={key: own[key] for key in (RUN_UID, TASK) if key in own},
        await_creation_for=None,
        model_id=model.model_id,
    )


def _is_model(client: MlflowClient, name: str) -> bool:
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True


def _told(client: MlflowClient, model: ToRegister, number: int) -> Version:
    """Say in the run what became of it."""
    client.set_tag(model.run_id, REGISTERED, f"{model.name}/{number}")
    aliases = client.get_registered_model(model.name).aliases
    own = sorted(alias for alias, version in aliases.items() if int(version) == number)
    return Version(model.name, number, model.run_id, tuple(own))


def _first_line(error: Exception, address: str) -> str:
    return without_password((str(error).strip() or type(error).__name__).splitlines()[0], address)
