#!/bin/sh
# Make .venv of this checkout: locked packages, then shackdoo itself (editable).
# Called by the Makefile; PYTHON names an interpreter to take instead of the newest that fits.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv/installed
lock=requirements-dev.lock

fail() {
    printf 'error: %s\n' "$@" >&2
    exit 2
}

fits() { # Python 3.11 to 3.13, what TensorFlow has wheels for
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
}

has_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

find_python() { # prints the first that fits and has venv, else the first that fits
    second=
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        fits "$name" || continue
        has_venv "$name" && echo "$name" && return
        second=${second:-$name}
    done
    echo "$second"
}

command -v git >/dev/null || fail "git is missing; runs record the commit they come from." \
    "Install it, e.g. apt-get install git (Debian, Ubuntu) or brew install git (macOS)."
python=$(find_python)
[ -n "$python" ] || fail "no Python from 3.11 to 3.13 found (looked for ${PYTHON:-python3.13, python3.12, python3.11, python3})." \
    "Install one, e.g. apt-get install python3 python3-venv (Debian 12, Ubuntu 24.04) or brew install python@3.12 (macOS)."
has_venv "$python" || fail "$python has no venv module." \
    "Install it, e.g. apt-get install python3-venv (Debian, Ubuntu)."

# A moved or copied environment still points at where it was made.
if [ -e "$stamp" ] && [ "$(cat "$stamp")" != "$PWD" ]; then
    rm -rf .venv
fi
rm -f "$stamp"
echo "making .venv with $("$python" --version) and the packages of $lock" >&2
"$python" -m venv .venv

# uv, itself from the lock, installs everything several times faster than pip.
# Where no process may write bytecode, it is compiled here: TensorFlow takes twice as long without.
sed -n '/^uv==/,/# via/p' "$lock" >.venv/uv.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
if ! .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes \
    ${PYTHONDONTWRITEBYTECODE:+--compile-bytecode} -r "$lock"; then
    echo "uv could not install them; trying pip, which knows your pip settings" >&2
    .venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r "$lock"
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --no-deps --no-build-isolation --editable .
pwd >"$stamp"
