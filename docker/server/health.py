"""Exit code 0 if the server answers a question that only who is logged in may ask.

It passes the check of the Host header, the login and the database; ``/health`` passes none of them.
"""

from __future__ import annotations

import base64
import http.client
import sys
from pathlib import Path

ACCOUNT = "healthcheck"
PASSWORD_FILE = Path("/tmp/health")  # noqa: S108  # in memory, and the user's own
SECONDS = 8.0


def main() -> int:
    """Ask; return the exit code."""
    login = f"{ACCOUNT}:{PASSWORD_FILE.read_text()}"
    connection = http.client.HTTPConnection("127.0.0.1", 5000, timeout=SECONDS)
    connection.request(
        "POST",
        "/api/2.0/mlflow/experiments/search",
        body='{"max_results": 1}',
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
        },
    )
    status = connection.getresponse().status
    print(f"experiments/search: {status}")
    return 0 if status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:  # it is starting, or down
        sys.exit(f"no answer: {error}")
