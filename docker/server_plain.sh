# shellcheck shell=sh
# What compose.yaml says, by docker alone; part of docker/server.sh. A test holds both equal.

HARDENED='--read-only --cap-drop ALL --security-opt no-new-privileges:true --tmpfs /tmp:size=64m'
LASTING='--detach --restart unless-stopped --log-driver json-file --log-opt max-size=10m --log-opt max-file=3'

start_plain() { # SERVICE
    service=$1 name=$SERVER_PROJECT-$1
    case $1 in
        postgres) image=$DATABASE_IMAGE settings= ;;
        mlflow) image=$SERVER_IMAGE settings="$SERVER_HOST $SERVER_PORT $SERVER_NAMES" ;;
    esac
    settings="$(docker image inspect --format '{{.Id}}' "$image") $settings"
    is=$(state "$name" '{{.State.Running}} {{index .Config.Labels "shackdoo.settings"}}')
    [ "$is" != "true $settings" ] || return 0
    remove "$name"
    # shellcheck disable=SC2086
    set -- $LASTING $HARDENED --name "$name" --label "shackdoo.settings=$settings"
    "run_$service" "$@" >/dev/null || {
        docker rm --force "$name" >/dev/null 2>&1 || true
        broken "Docker could not start $name; what it said stands above."
    }
}

run_postgres() { # OPTION…
    docker run "$@" --network none --shm-size 128m --stop-timeout 60 \
        --volume "${SERVER_PROJECT}_database:/var/lib/postgresql" \
        --volume "${SERVER_PROJECT}_socket:/run/postgresql" "$DATABASE_IMAGE"
}

run_mlflow() { # OPTION…
    docker network inspect "${SERVER_PROJECT}_default" >/dev/null 2>&1 ||
        docker network create --label "com.docker.compose.project=$SERVER_PROJECT" \
            --label com.docker.compose.network=default "${SERVER_PROJECT}_default"
    docker run "$@" --network "${SERVER_PROJECT}_default" --network-alias mlflow --ipc none --stop-timeout 30 \
        --publish "$SERVER_HOST:$SERVER_PORT:5000" --env "SERVER_NAMES=$SERVER_NAMES" \
        --volume "${SERVER_PROJECT}_artifacts:/mlflow/data" \
        --volume "${SERVER_PROJECT}_socket:/run/postgresql:ro" "$SERVER_IMAGE"
}

make_volume() { # NAME; with compose's labels, so that compose takes it as its own
    docker volume create --label "com.docker.compose.project=$SERVER_PROJECT" \
        --label "com.docker.compose.volume=$1" "${SERVER_PROJECT}_$1" >/dev/null
}
