#!/bin/sh
# Start PostgreSQL on its socket alone; the first start makes the database `mlflow`.
set -eu
data=/var/lib/postgresql/data

make_cluster() {
    rm -rf "$data.new" # of a first start that was cut off
    initdb --pgdata "$data.new" --username postgres --encoding UTF8 --locale C.UTF-8 \
        --auth-local peer --auth-host reject --data-checksums
    # What MLflow keeps of users lies in a schema of its own, so that one dump holds all.
    postgres --single -D "$data.new" postgres <<'SQL'
CREATE ROLE mlflow LOGIN
CREATE DATABASE mlflow OWNER mlflow
SQL
    echo 'CREATE SCHEMA auth AUTHORIZATION mlflow' | postgres --single -D "$data.new" mlflow
    mv "$data.new" "$data"
}

[ -e "$data" ] || make_cluster
kept=$(cat "$data/PG_VERSION")
here=$(postgres --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
if [ "$kept" != "$here" ]; then
    echo "error: the data are PostgreSQL $kept's, this image has PostgreSQL $here." >&2
    echo "Back up with the image that made them, then: make server-down ARGS=--volumes," >&2
    echo "and make server-restore BACKUP=… with this one." >&2
    exit 1
fi
exec postgres -D "$data" -c listen_addresses= -c unix_socket_directories=/run/postgresql
