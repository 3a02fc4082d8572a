#!/bin/sh
# A command in the image, with what docker/host.sh tells: `sh docker/run.sh train|infer|ui|shell`.
#   TASK, ARGS     train, infer: the task and overrides, as one text that is split like a shell's
#   INPUT          infer: what is asked about
#   UI_HOST, UI_PORT   ui: where it is served (127.0.0.1, 8080)
#   GPU=0          no GPU, even if there is one
set -eu
cd "$(dirname "$0")/.."
WHAT=$1
shift
image=${IMAGE:-shackdoo}
bin=.venv/bin

say() {
    printf '%s\n' "$1" >&2
}

tell_device() {
    if [ "${GPU:-1}" = 0 ]; then
        say 'device    CPU, since GPU=0'
    elif sh docker/host.sh options $$ | grep -q gpus; then
        say "device    $(nvidia-smi --query-gpu=name --format=csv,noheader | paste -sd ,)"
    elif nvidia-smi -L >/dev/null 2>&1; then
        say "device    CPU: Docker can't pass the GPU on; install NVIDIA's container toolkit"
    else
        say 'device    CPU: nvidia-smi finds no GPU'
    fi
}

tell_store() {
    uri=${MLFLOW_TRACKING_URI:-sqlite:///$(pwd -P)/mlflow.db}
    say "tracking  $(printf '%s' "$uri" | sed 's|//[^/@]*@|//|')"
}

# The experiment of the task. Composing it finds most mistakes before anything is started.
experiment() {
    composed=$("$bin/shackdoo" train --cfg job "task=$TASK" "overrides=${ARGS:-}") || exit 2
    printf '%s\n' "$composed" | sed -n "s/^experiment: //p" | sed "s/^'\(.*\)'$/\1/"
}

# A failed `mlflow run` may leave its run open and its container behind.
clear_leftovers() {
    [ ! -x "$bin/python" ] || "$bin/python" -m shackdoo.commands.leftovers || true
}

mlflow_run() {
    clear_leftovers
    tell_device
    tell_store
    "$bin/python" -m shackdoo.commands.store_check || exit 2
    status=0
    trap : INT # it is for `mlflow run`; what is to be cleared comes after it
    PATH="$PWD/$bin:$PATH" "$bin/mlflow" run . "$@" || status=$?
    [ "$status" = 0 ] || clear_leftovers
    exit "$status"
}

is_server() {
    case ${MLFLOW_TRACKING_URI:-} in
        http:* | https:*) true ;;
        *) false ;;
    esac
}

# A shell on this machine reads MLflow's command once more.
quoted() {
    printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

in_container() { # replaces this process
    clear_leftovers
    ! is_server || set -- --env MLFLOW_TRACKING_URI "$@"
    set -- --rm --volume "$PWD":/mlflow/projects/code "$@"
    for mount in project git state store; do
        set -- --volume "$(sh docker/host.sh "$mount" $$)" "$@"
    done
    environment=$(sh docker/host.sh environment $$)
    container=$(sh docker/host.sh container $$)
    # shellcheck disable=SC2046  # options are words
    exec docker run --env-file "$environment" --cidfile "$container" \
        $(sh docker/host.sh options $$) "$@"
}

case $WHAT in
    train)
        name=$(experiment)
        mlflow_run -e train --experiment-name "$name" -P "task=$TASK" -P "overrides=${ARGS:-}"
        ;;
    infer)
        [ -n "${INPUT:-}" ] || { say 'error: INPUT is missing. make docker-infer INPUT=scans/ names pictures, arrays, a table, or data of the catalog.'; exit 2; }
        case $INPUT in
            ../*) INPUT="$(cd .. && pwd -P)/${INPUT#../}" ;;
        esac
        case $INPUT in
            "$PWD"/*) ;;
            /*) # outside the tree: what stands before the first wildcard is mounted, too
                fixed=${INPUT%%[*?[]*}
                [ "$fixed" = "$INPUT" ] && [ -e "$fixed" ] || fixed=$(dirname "${fixed}x")
                [ -e "$fixed" ] || { say "error: There is no $INPUT on this machine."; exit 2; }
                case $fixed in
                    / | *:*)
                        say "error: Docker can't mount $fixed for INPUT=$INPUT. Name a folder below /, without a colon in its name."
                        exit 2
                        ;;
                esac
                set -- -A "volume=$(quoted "$fixed:$fixed:ro")"
                ;;
        esac
        mlflow_run -e infer "$@" -P "input=$INPUT" -P "task=${TASK:-}" -P "overrides=${ARGS:-}"
        ;;
    ui)
        if is_server; then
            say 'The runs are on a server, which has pages of its own:'
            printf '%s\n' "$MLFLOW_TRACKING_URI" | sed 's|//[^/@]*@|//|'
            exit 0
        fi
        host=${UI_HOST:-127.0.0.1} port=${UI_PORT:-8080}
        in_container --env "UI_ADDRESS=http://$host:$port" --publish "$host:$port:5000" \
            "$image" shackdoo ui --host 0.0.0.0 --port 5000
        ;;
    shell)
        terminal=
        [ ! -t 0 ] || terminal=--tty
        in_container --interactive $terminal "$image" bash
        ;;
    *)
        say "error: docker/run.sh knows train, infer, ui and shell, not '$WHAT'."
        exit 2
        ;;
esac
