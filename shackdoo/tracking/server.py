"""Asking an MLflow server over its REST API, without MLflow."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from shackdoo.errors import StoreError

ANSWER_SECONDS = 5.0
SHOWN_CHARACTERS = 200  # of an answer that nobody expected
NAME, PASSWORD, TOKEN = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
DEFAULT_PORTS = {"http": 80, "https": 443}
INSECURE, CERTIFICATE = "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_SERVER_CERT_PATH"


def ask(uri: str, what: str, query: Mapping[str, object], own: bool = False) -> dict[str, Any]:
    """Return what an MLflow server answers to a request.

    Args:
        uri: the server's address; ``user:password@`` in it goes before the environment's.
        what: the end of the path: ``experiments/search``.
        query: the fields of the request.
        own: the server was started by this program on this machine: it gets no credentials and
            is asked past any proxy.

    Raises:
        StoreError: if there is no answer within 5 s, or not the one of an MLflow server.
    """
    request = urllib.request.Request(  # noqa: S310  # resolve_uri lets http(s) only pass
        f"{public_address(uri)}/api/2.0/mlflow/{what}",
        data=json.dumps(query).encode(),
        headers={"Content-Type": "application/json"},
    )
    return _answered(uri, request, own)


def fetch(uri: str, what: str, query: Mapping[str, object]) -> dict[str, Any]:
    """Return what an MLflow server answers to a search that it wants as a GET.

    Args:
        uri: the server's address, as in :func:`ask`.
        what: the end of the path: ``model-versions/search``.
        query: the fields of the request.

    Raises:
        StoreError: if there is no answer within 5 s, or not the one of an MLflow server.
    """
    fields = urlencode({name: str(value) for name, value in query.items()})
    address = f"{public_address(uri)}/api/2.0/mlflow/{what}?{fields}"
    return _answered(uri, urllib.request.Request(address), own=False)  # noqa: S310  # as above


def knock(uri: str) -> None:
    """See whether anybody listens at a server's address; behind a proxy only a request can tell.

    Raises:
        OSError: if a connection is not taken within 5 s.
    """
    parts = urlsplit(uri)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    proxies = urllib.request.getproxies()
    if (parts.scheme in proxies or "all" in proxies) and not urllib.request.proxy_bypass(host):
        return
    with socket.create_connection((host, port), timeout=ANSWER_SECONDS):
        pass


def _answered(uri: str, request: urllib.request.Request, own: bool) -> dict[str, Any]:
    authorization = None if own else _authorization(uri)
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    try:
        with _opener(own).open(request, timeout=ANSWER_SECONDS) as answer:
            return _object(answer.read())
    except urllib.error.HTTPError as error:
        reason = _refusal(error, urlsplit(uri).hostname, authorization is not None)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = _failure(getattr(error, "reason", error))
    raise StoreError(f"The tracking store {public_address(uri)} can't be used: {reason}.")


def public_address(uri: str) -> str:
    """Return a server's address without credentials and without a slash at its end."""
    parts = urlsplit(uri)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return urlunsplit(bare).rstrip("/")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST loses its content, and credentials are for the server that was named."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(own: bool) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if own:
        handlers.append(urllib.request.ProxyHandler({}))
    handlers.append(urllib.request.HTTPSHandler(context=_certificates()))
    return urllib.request.build_opener(*handlers)


def _certificates() -> ssl.SSLContext:
    """Return which certificates are trusted, by the variables that MLflow itself obeys."""
    context = ssl.create_default_context(cafile=os.environ.get(CERTIFICATE) or None)
    if os.environ.get(INSECURE, "").lower() in ("1", "true"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _authorization(uri: str) -> str | None:
    parts = urlsplit(uri)
    if parts.username:
        return _basic(unquote(parts.username), unquote(parts.password or ""))
    name, password = os.environ.get(NAME), os.environ.get(PASSWORD)
    if name and password:
        return _basic(name, password)
    token = os.environ.get(TOKEN)
    return f"Bearer {token}" if token else None


def _basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def _object(answer: bytes) -> dict[str, Any]:
    found = json.loads(answer)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _refusal(error: urllib.error.HTTPError, host: str | None, identified: bool) -> str:
    """Return why a server refused, and the way out."""
    answer = " ".join(error.read(SHOWN_CHARACTERS).decode(errors="replace").split())
    if "invalid host" in answer.lower():
        return (
            f"it answers {error.code}: Invalid Host header. It has to be started with "
            f"--allowed-hosts {host}, which is the name it is called by"
        )
    if error.code == http.HTTPStatus.UNAUTHORIZED:
        trouble = "doesn't take these credentials" if identified else "wants credentials"
        return f"it answers 401: it {trouble}. Set {NAME} and {PASSWORD}, or {TOKEN}, in .env"
    if error.code == http.HTTPStatus.FORBIDDEN:
        return f"it answers 403: this user may not. Ask for the right, or set another {NAME}"
    if "Location" in error.headers:
        return f"it answers {error.code}: it has moved to {_moved(error)}. Give that address"
    if error.code == http.HTTPStatus.NOT_FOUND:
        return "it answers 404: no MLflow server is at this address"
    return f"it answers {error.code}: {answer or error.reason}"


def _moved(error: urllib.error.HTTPError) -> str:
    return public_address(error.headers["Location"]).partition("/api/2.0/")[0]


def _failure(reason: object) -> str:
    """Return why no answer came."""
    if isinstance(reason, TimeoutError):
        return f"no answer within {ANSWER_SECONDS:.0f} s"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"{reason.verify_message}. Name your authority's certificate in {CERTIFICATE}"
    if isinstance(reason, http.client.HTTPException | ValueError):
        return "what answers there is no MLflow server"
    return str(getattr(reason, "strerror", None) or reason)
