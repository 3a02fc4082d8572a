#!/bin/sh
# Starts a command in the image: as the owner of the code, under the names that the host knows.
#
# `mlflow run` can't say as whom a container runs and still keep its runs in SQLite, so it starts as
# root. Here root hands what belongs to the owner of the tree over, and is gone.
# Set by docker/host.sh:
#   SHACKDOO_PROJECT       the tree's path on the host, mounted under the same name
#   SHACKDOO_TRACKING_URI  the tracking store's address as the host knows it
#   SHACKDOO_ENV_FILE      the file in which all this came, maybe with a password
set -eu
CODE=/mlflow/projects/code
STORE=/mlflow/tmp/mlruns # where MLflow mounts an SQLite file; without a tree it tells who asks
HOME=/mlflow/home
export HOME

[ -z "${SHACKDOO_TRACKING_URI:-}" ] || export MLFLOW_TRACKING_URI="$SHACKDOO_TRACKING_URI"
[ -z "${SHACKDOO_ENV_FILE:-}" ] || rm -f "$SHACKDOO_ENV_FILE"
unset SHACKDOO_TRACKING_URI SHACKDOO_ENV_FILE
cd "${SHACKDOO_PROJECT:-$CODE}"

[ "$(id -u)" = 0 ] || exec "$@"
whose=$CODE
if [ -e "$STORE" ] && ! mountpoint -q "$CODE"; then whose=$STORE; fi
owner=$(stat -c %u "$whose")
group=$(stat -c %g "$whose")
[ "$owner" != 0 ] || exec "$@"
chown "$owner:$group" "$HOME"
[ ! -e "$STORE" ] || chown "$owner:$group" "$(dirname "$STORE")" # SQLite writes beside the file
[ "$whose" = "$CODE" ] || chown -R "$owner:$group" "$CODE/data"

# If docker/host.sh was not asked, Docker itself has made the folder of the run's files, as root.
cut -d ' ' -f 5 /proc/self/mountinfo | while read -r folder; do
    case $folder in
        */"${MLFLOW_RUN_ID:-none}"/artifacts)
            [ "$(stat -c %u "$folder")" != 0 ] || chown "$owner:$group" "$folder"
            ;;
    esac
done

exec setpriv --reuid "$owner" --regid "$group" --clear-groups -- "$@"
