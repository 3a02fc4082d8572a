#!/bin/sh
# Starts a command in the image: as the owner of the code, under the names that the host knows.
#
# `mlflow run` can't say as whom a container runs and still keep its runs in SQLite, so it starts as
# root. Here root hands the folders that Docker made a moment ago to whom they belong, and is gone.
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

is_roots() {
    [ -d "$1" ] && [ "$(stat -c %u "$1")" = 0 ]
}

is_empty() {
    [ -z "$(ls -A "$1")" ]
}

# A mounted folder that is empty and root's was missing on the host.
cut -d ' ' -f 5 /proc/self/mountinfo | while read -r quoted; do
    folder=$(printf '%b' "$(printf %s "$quoted" | sed 's/\\\([0-7]\{3\}\)/\\0\1/g')")
    case $folder in
        / | /proc* | /sys* | /dev* | /etc/*) continue ;;
    esac
    if ! is_roots "$folder" || ! is_empty "$folder"; then continue; fi
    chown "$owner:$group" "$folder"
done

exec setpriv --reuid "$owner" --regid "$group" --clear-groups -- "$@"
