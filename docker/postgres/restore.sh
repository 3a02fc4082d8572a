#!/bin/sh
# Put a backup that comes on stdin into an empty server; `check` looks only whether it is empty.
# Runs as the user `mlflow`, without an MLflow server. Exit codes: 3: the server is not empty;
# 4: this is no backup.
set -eu
umask 077
export PGHOST=/run/postgresql PGDATABASE=mlflow PGOPTIONS='-c client_min_messages=warning'
data=/mlflow/data new=/mlflow/data/restore

count_all() { # how many things there are that somebody has made
    psql --no-psqlrc --set ON_ERROR_STOP=1 --tuples-only --no-align <<'SQL'
SELECT (SELECT count(*) FROM experiments WHERE experiment_id <> 0)
    + (SELECT count(*) FROM runs)
    + (SELECT count(*) FROM registered_models)
    + (SELECT count(*) FROM auth.users WHERE username NOT IN ('admin', 'shackdoo', 'healthcheck'));
SQL
}

unpack() { # on the volume: a backup may be larger than the memory
    rm -rf "$new"
    mkdir "$new"
    tar -x -C "$new" && grep -q '^shackdoo server backup 1, ' "$new/about" &&
        [ -d "$new/artifacts" ] && pg_restore --no-owner --file "$new/database.sql" "$new/database.dump"
}

made=$(count_all)
[ "$made" = 0 ] && [ -z "$(ls -A "$data/artifacts")" ] || exit 3
[ "${1:-}" != check ] || exit 0
unpack || { rm -rf "$new"; exit 4; }
# All or nothing. What MLflow made at its start goes: the backup brings its own.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --single-transaction --output /dev/null \
    --command 'DROP OWNED BY mlflow' --file "$new/database.sql"
rmdir "$data/artifacts"
mv "$new/artifacts" "$data/artifacts"
rm -rf "$new"
