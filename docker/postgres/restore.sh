#!/bin/sh
# Put a backup that comes on stdin into an empty server. Runs as the user `mlflow`; the MLflow server
# must not run. Exit code 3: the server is not empty; 4: this is no backup.
set -eu
umask 077
export PGHOST=/run/postgresql PGDATABASE=mlflow PGOPTIONS='-c client_min_messages=warning'

count_all() { # how many things there are that somebody has made
    psql --no-psqlrc --tuples-only --no-align <<'SQL'
SELECT (SELECT count(*) FROM experiments WHERE experiment_id <> 0)
    + (SELECT count(*) FROM runs)
    + (SELECT count(*) FROM registered_models)
    + (SELECT count(*) FROM auth.users WHERE username NOT IN ('admin', 'shackdoo', 'healthcheck'));
SQL
}

if [ "$(count_all)" != 0 ] || [ -n "$(ls -A /mlflow/data/artifacts)" ]; then
    exit 3
fi
# On the volume of the artifacts: a backup may be larger than the memory.
new=/mlflow/data/restore
rm -rf "$new"
mkdir "$new"
tar -x -C "$new" || exit 4
case $(cat "$new/about" 2>/dev/null) in
    'shackdoo server backup 1, '*) ;;
    *) rm -rf "$new"; exit 4 ;;
esac
pg_restore --no-owner --file "$new/database.sql" "$new/database.dump" || exit 4
# All or nothing; what MLflow made at its start goes, as the backup brings its own.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --single-transaction --output /dev/null \
    --command 'DROP OWNED BY mlflow' --file "$new/database.sql"
rmdir /mlflow/data/artifacts
mv "$new/artifacts" /mlflow/data/artifacts
rm -rf "$new"
