#!/bin/sh
# Trains Mnist_B from the commit of this tree, then reproduces the run as another machine would: from
# the tracking store and a fresh clone alone. Ends with an error unless it is bit-identical.
set -eu
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin
scratch=$(mktemp -d)

# Removes what was made. A shipper, which outlives the command that started it, may still write in
# there: a failure to remove it is none of the release.
clean_up() {
    status=$?
    tries=0
    until rm -rf "$scratch" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 30 ] || { echo "warning: $scratch could not be removed" >&2; break; }
        sleep 1
    done
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

[ -z "$(git status --porcelain)" ] || {
    echo 'error: the tree differs from its commit. A release is a commit: git commit, or git stash.' >&2
    exit 2
}
unset SHACKDOO_ROOT
export MLFLOW_TRACKING_URI="sqlite:///$scratch/mlflow.db"

git clone --quiet --no-local . "$scratch/first"
cd "$scratch/first"
SHACKDOO_STATE=$scratch/first-machine "$bin/python" -m shackdoo.cli train task=Mnist_B \
    tracking.wait=120 >"$scratch/result"
cat "$scratch/result"
run=$(sed -n 's/^run  *//p' "$scratch/result")

git clone --quiet --no-local "$OLDPWD" "$scratch/second"
# Only the store's files stay of the first.
find "$scratch/first" -mindepth 1 -maxdepth 1 ! -name mlruns -exec rm -rf {} +
cd "$scratch/second"
export SHACKDOO_STATE="$scratch/second-machine"
"$bin/python" -m shackdoo.cli reproduce "$run" --yes

# The store has the reproduction as well before all is removed; a shipper may have it in hand yet.
tries=0
until "$bin/python" -m shackdoo.cli sync >"$scratch/shipped" 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { cat "$scratch/shipped" >&2; exit 1; }
    sleep 1
done
