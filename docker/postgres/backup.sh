#!/bin/sh
# Write a backup of database and artifacts, a tar file, to stdout. Runs as the user `mlflow`.
set -eu
umask 077
rm -rf /mlflow/data/backup.* # of a backup that was cut off
folder=$(mktemp -d /mlflow/data/backup.XXXXXX)
# The database first: every file that it names is there already, and stays.
pg_dump --host /run/postgresql --format custom --no-owner --file "$folder/database.dump" mlflow
date -u '+shackdoo server backup 1, %Y-%m-%dT%H:%M:%SZ' >"$folder/about"
# A file that a run adds meanwhile belongs to what comes after the dump: no failure (exit code 1).
status=0
tar -c -C "$folder" about database.dump -C /mlflow/data artifacts || status=$?
rm -r "$folder"
[ "$status" -le 1 ]
