#!/bin/sh
# Tells `docker run` about this host. MLproject calls it in the shell in which MLflow puts the
# command together: `sh docker/host.sh WHAT PID`, PID being the process of `mlflow run`. It prints
# words, and makes folders of the user's own before Docker makes root's.
#
#   project       mount of the tree (of its whole repository)
#   git           mount of what a linked worktree keeps elsewhere
#   state         mount of the state folder: journals, checkpoints, compiled programs
#   store         mount of the folder of an SQLite store
#   artifacts     mount of the folder of an experiment's files; a third argument is MLflow's command
#   environment   file with variables
#   container     file for the container's id: what a killed `mlflow run` leaves is found by it
#   options       network and GPUs
#
# Inside, everything has the name that it has here: addresses and paths that a run records are true
# on both sides, and what a killed container left can be shipped from here.
set -eu
WHAT=$1 CALLER=$2 COMMAND=${3:-}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

# Where `mlflow run` was typed: relative paths start there, and its own default store lies there.
working_directory() {
    readlink "/proc/$CALLER/cwd" 2>/dev/null ||
        lsof -a -p "$CALLER" -d cwd -Fn 2>/dev/null | sed -n 's/^n//p' | grep . || pwd -P
}

state() {
    folder=${SHACKDOO_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/shackdoo}
    if [ "$(uname)" = Darwin ] && [ -z "${SHACKDOO_STATE:-}" ]; then
        folder="$HOME/Library/Application Support/shackdoo"
    fi
    cd "$(working_directory)"
    (umask 077 && mkdir -p "$folder/containers") ||
        fail "The state folder $folder can't be made. Set SHACKDOO_STATE to a folder of yours."
    (cd "$folder" && pwd -P)
}

tree() {
    git rev-parse --show-toplevel 2>/dev/null || pwd -P
}

linked_git() { # prints the repository's folder if the tree does not hold it
    common=$(git rev-parse --path-format=absolute --git-common-dir 2>/dev/null) || return 0
    case $common in
        "$(tree)"/*) ;;
        *) printf '%s\n' "$common" ;;
    esac
}

store_file() { # prints the file of an SQLite store
    uri=${MLFLOW_TRACKING_URI:-}
    case $uri in
        '') printf '%s/mlflow.db\n' "$(working_directory)" ;;
        sqlite:////*) printf '%s\n' "${uri#sqlite:///}" ;;
        sqlite:*)
            fail "MLFLOW_TRACKING_URI is '$uri', a relative path, which is another file inside the container. Write it from the root, with four slashes: sqlite:///$(working_directory)/${uri#sqlite:///}"
            ;;
    esac
}

store_folder() {
    file=$(store_file)
    [ -n "$file" ] || return 0
    (cd "$(dirname "$file")" 2>/dev/null && pwd -P) ||
        fail "The folder of the SQLite store $file is not there. Make it, or set MLFLOW_TRACKING_URI to another store."
}

store() { # nothing if the tree's mount holds it; Docker can't mount the root
    folder=$(store_folder)
    case $folder in
        / | "$(tree)" | "$(tree)"/*) ;;
        *) printf '%s\n' "$folder" ;;
    esac
}

# MLflow mounts the run's folder alone, but models lie beside it. Made here, it is not made by root.
artifacts() {
    run=$(printf '%s\n' "$COMMAND" | sed -n 's|.* -v \(/[^ :]*\)/artifacts:\1/artifacts .*|\1|p')
    case $(store_file) in
        *' '*) fail "MLflow can't hand '$(store_file)' to Docker: there is a space in it. Set MLFLOW_TRACKING_URI=sqlite:////a/path/without.db, and start from a folder without one." ;;
    esac
    [ -n "$run" ] || return 0
    mkdir -p "$run/artifacts" || fail "The folder $run/artifacts can't be made. The run's files go there."
    folder=$(cd "$run/.." && pwd -P)
    store=$(store)
    case $folder in
        "$(tree)"/* | "${store:-/nowhere}"/*) ;;
        *) printf '%s\n' "$folder" ;;
    esac
}

mount() {
    if [ -n "$1" ]; then
        printf '%s:%s%s\n' "$1" "$1" "${2:-}"
    else # Docker wants a mount where there is none to be had
        echo "/dev/null:/mlflow/no-$WHAT"
    fi
}

environment() {
    state=$(state) store=$(store_folder)
    file="$state/containers/$CALLER.env"
    umask 077
    {
        echo "SHACKDOO_ENV_FILE=$file"
        echo "SHACKDOO_PROJECT=$(pwd -P)"
        echo "SHACKDOO_STATE=$state"
        echo "LOGNAME=${LOGNAME:-${USER:-$(id -un)}}"
        case $store in
            '' | /) ;;
            *) echo "SHACKDOO_TRACKING_URI=sqlite:///$store/$(basename "$(store_file)")" ;;
        esac
        [ "${GPU:-1}" != 0 ] || echo 'NVIDIA_VISIBLE_DEVICES=void'
        # Names alone: Docker takes their values from the environment of who calls it.
        printf '%s\n' MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD MLFLOW_TRACKING_TOKEN \
            MLFLOW_TRACKING_INSECURE_TLS MLFLOW_TRACKING_SERVER_CERT_PATH \
            MLFLOW_TRACKING_CLIENT_CERT_PATH TZ
    } >"$file"
    printf '%s\n' "$file"
}

container() {
    state=$(state)
    rm -f "$state/containers/$CALLER.cid"
    printf '%s\n' "$state/containers/$CALLER.cid"
}

on_this_machine() {
    place=$(printf '%s' "${1#*://}" | tr '[:upper:]' '[:lower:]')
    place=${place#*@}
    name=$(hostname | tr '[:upper:]' '[:lower:]')
    case ${place%%/*} in
        127.* | 0.0.0.0 | 0.0.0.0:* | localhost | localhost:* | '[::1]'* | "$name" | "$name":*) true ;;
        *) false ;;
    esac
}

has_gpu() { # one that NVIDIA's toolkit lets Docker pass on
    [ "${GPU:-1}" != 0 ] && nvidia-smi -L >/dev/null 2>&1 || return 1
    command -v nvidia-container-cli >/dev/null || command -v nvidia-ctk >/dev/null ||
        docker info --format '{{.Runtimes}}' 2>/dev/null | grep -q nvidia
}

is_asked_for() { # Docker takes an option that is here and in `mlflow run -A NAME=…` for a mistake
    tr '\0' '\n' <"/proc/$CALLER/cmdline" 2>/dev/null | grep -Eq "^(-A|--docker-args=)?$1="
}

options() {
    case ${MLFLOW_TRACKING_URI:-} in
        '' | sqlite:*) ;;
        *://*@*)
            fail "MLFLOW_TRACKING_URI has a password in it, and MLflow puts it into its log and onto Docker's command line. Change it, and give it as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
            ;;
        *)
            if on_this_machine "$MLFLOW_TRACKING_URI" && ! is_asked_for network; then
                echo --network=host
            fi
            ;;
    esac
    if has_gpu && ! is_asked_for gpus; then echo --gpus=all; fi
}

case $WHAT in
    project) mount "$(tree)" ;;
    git) mount "$(linked_git)" :ro ;;
    state | store | artifacts) folder=$($WHAT) && mount "$folder" ;;
    environment | container | options) $WHAT ;;
    *) fail "docker/host.sh knows no '$WHAT'." ;;
esac
