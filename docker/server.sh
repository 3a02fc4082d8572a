#!/bin/sh
# The shared tracking server of compose.yaml: docker/server.sh up|down|logs|backup|restore [OPTION…]
#
#   SERVER_HOST     the address that it is reached at; 127.0.0.1: from this machine alone
#   SERVER_PORT     its port
#   SERVER_NAMES    what users call it by beside localhost and SERVER_HOST, divided by commas:
#                   lab,192.168.1.5
#   SERVER_PROJECT  what the names of its containers and volumes begin with
#   SERVER_CONFIG   the folder of its passwords
#   SERVER_COMPOSE  "docker compose" or "docker-compose" (found if there), or "none": docker alone
#   BACKUP          the file that is written or restored
#
# No password is in an argument, in an environment or in an image: each goes from a file of mode 600
# through a pipe to the program that keeps its hash.
set -eu
cd "$(dirname "$0")/.."
: "${SERVER_HOST:=127.0.0.1}" "${SERVER_PORT:=5000}" "${SERVER_NAMES:=}" "${SERVER_PROJECT:=shackdoo}"
: "${SERVER_CONFIG:=conf/local}" "${SERVER_COMPOSE:=}" "${BASE_IMAGE:=debian:bookworm-slim}"
export SERVER_HOST SERVER_PORT SERVER_NAMES SERVER_PROJECT BASE_IMAGE
CLIENT=$SERVER_CONFIG/server.env ADMIN=$SERVER_CONFIG/server-admin.env
SERVER_IMAGE=$SERVER_PROJECT-server DATABASE_IMAGE=$SERVER_PROJECT-postgres
MLFLOW=$SERVER_PROJECT-mlflow POSTGRES=$SERVER_PROJECT-postgres
UP_SECONDS=300
new_passwords=
late= # the exit status of a signal that has to wait

. docker/server_plain.sh

say() { printf '%s\n' "$@" >&2; }

fail() { # the request can't be met
    say "error: $1"
    exit 2
}

broken() { # it was tried and went wrong
    say "error: $1"
    exit 1
}

check_settings() {
    case $SERVER_PORT in
        '' | *[!0-9]*) fail "SERVER_PORT is '$SERVER_PORT', which is no port. Give a number: SERVER_PORT=5001." ;;
    esac
    [ "$SERVER_PORT" -ge 1 ] && [ "$SERVER_PORT" -le 65535 ] ||
        fail "SERVER_PORT is '$SERVER_PORT'. A port is a number from 1 to 65535: SERVER_PORT=5001."
    case $SERVER_HOST in
        '' | *[!0-9.]*) fail "SERVER_HOST is '$SERVER_HOST', which is no IPv4 address. 127.0.0.1 is for this machine alone, 0.0.0.0 for everybody who reaches it; names go into SERVER_NAMES." ;;
    esac
    case $SERVER_NAMES in
        *[!A-Za-z0-9.,-]*) fail "SERVER_NAMES is '$SERVER_NAMES'. It takes names and addresses without ports, divided by commas: SERVER_NAMES=lab.example.org,192.168.1.5." ;;
    esac
    case $SERVER_PROJECT in
        '' | [!a-z0-9]* | *[!a-z0-9_-]*) fail "SERVER_PROJECT is '$SERVER_PROJECT'. It takes small letters, digits, - and _, and begins with a letter or a digit." ;;
    esac
}

# The server refuses who calls it by a name that it does not know; its own address is one of them.
add_own_name() {
    case $SERVER_HOST in
        0.0.0.0 | 127.0.0.1) return ;;
    esac
    case ,$SERVER_NAMES, in
        *",$SERVER_HOST,"*) ;;
        *) SERVER_NAMES=$SERVER_NAMES${SERVER_NAMES:+,}$SERVER_HOST ;;
    esac
}

check_engine() {
    command -v docker >/dev/null ||
        fail "There is no docker here. Install it, e.g. apt-get install docker.io (Debian, Ubuntu), or Docker Desktop (macOS)."
    reason=$(docker info 2>&1 >/dev/null) ||
        fail "The Docker engine does not answer: $(printf '%s' "$reason" | tail -n 1) Start it (systemctl start docker), and join its group if you may not use it (usermod -aG docker $(id -un))."
}

find_compose() {
    if [ -n "$SERVER_COMPOSE" ]; then
        return
    elif docker compose version >/dev/null 2>&1; then
        SERVER_COMPOSE='docker compose'
    elif command -v docker-compose >/dev/null; then
        SERVER_COMPOSE=docker-compose
    else
        SERVER_COMPOSE=none
    fi
}

state() { # CONTAINER FORMAT: prints nothing if there is no such container
    docker container inspect --format "$2" "$1" 2>/dev/null || true
}

build() { # IMAGE FOLDER
    say "building $1 (the first time takes minutes)"
    log=$(mktemp)
    docker build --build-arg "BASE_IMAGE=$BASE_IMAGE" --tag "$1" "$2" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        rm "$log"
        broken "The image $1 could not be built from $2/Dockerfile; what Docker said stands above."
    }
    rm "$log"
}

# A container that ends at once finds out what is free without anything of this machine's own.
check_port() {
    docker port "$MLFLOW" 5000/tcp 2>/dev/null | grep -qxF "$SERVER_HOST:$SERVER_PORT" && return
    reason=$(docker run --rm --publish "$SERVER_HOST:$SERVER_PORT:5000" --entrypoint true \
        "$SERVER_IMAGE" 2>&1) ||
        fail "$SERVER_HOST:$SERVER_PORT can't be served: $(printf '%s' "$reason" | grep -m 1 -o 'port is already allocated\|address already in use\|cannot assign requested address' || printf '%s' "$reason"). Something else may be there already. Choose another port: make server-up SERVER_PORT=5001."
}

password_in() { # FILE: prints a new one if there is none, or if new ones are wanted
    found=
    [ ! -e "$1" ] || [ "$new_passwords" ] || found=$(sed -n 's/^MLFLOW_TRACKING_PASSWORD=//p' "$1")
    printf '%s' "${found:-$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')}"
}

write_login() { # FILE NAME PASSWORD: into FILE.new
    (
        umask 077
        {
            echo "# The shared tracking server, written by make server-up. Keep it to yourself."
            echo "MLFLOW_TRACKING_URI=$(address)"
            echo "MLFLOW_TRACKING_USERNAME=$2"
            echo "MLFLOW_TRACKING_PASSWORD=$3"
        } >"$1.new"
    )
}

address() {
    case $SERVER_HOST in
        0.0.0.0) echo "http://127.0.0.1:$SERVER_PORT" ;;
        *) echo "http://$SERVER_HOST:$SERVER_PORT" ;;
    esac
}

# The files change after the server has taken what they say, so that they are never wrong. A signal
# waits until then: what the server has taken must not be forgotten.
make_accounts() {
    trap 'late=130' INT
    trap 'late=143' TERM HUP
    mkdir -p "$SERVER_CONFIG"
    client=$(password_in "$CLIENT") admin=$(password_in "$ADMIN")
    write_login "$CLIENT" shackdoo "$client"
    write_login "$ADMIN" admin "$admin"
    set_accounts $new_passwords
    mv "$CLIENT.new" "$CLIENT"
    mv "$ADMIN.new" "$ADMIN"
    exit_on_signals
    [ -z "$late" ] || exit "$late"
}

set_accounts() { # [--reset]
    status=0
    printf 'admin %s\nshackdoo %s\n' "$admin" "$client" |
        beside_the_database "$SERVER_IMAGE" python /mlflow/accounts.py "$@" || status=$?
    [ "$status" != 3 ] ||
        fail "The server has accounts already, and their passwords are not those of $CLIENT and $ADMIN. Copy these files from the checkout that made the server, or give it new passwords, for everybody who uses them: make server-up ARGS=--new-passwords. Another server beside it takes SERVER_PROJECT=name SERVER_PORT=5001."
    [ "$status" = 0 ] || broken "The accounts could not be made; the reason stands above."
}

# IMAGE COMMAND…: runs it as the user `mlflow`, with the socket and the artifacts and nothing else.
beside_the_database() {
    # shellcheck disable=SC2086
    docker run --rm --init --entrypoint '' --interactive --network none --user 10002:10002 $HARDENED \
        --volume "${SERVER_PROJECT}_socket:/run/postgresql:ro" \
        --volume "${SERVER_PROJECT}_artifacts:/mlflow/data" "$@"
}

start() { # SERVICE
    if [ "$SERVER_COMPOSE" = none ]; then
        start_plain "$1"
        return
    fi
    # One that docker alone has started is in the way of compose; it holds no data.
    made_by=$(state "$SERVER_PROJECT-$1" '{{index .Config.Labels "com.docker.compose.service"}}')
    [ "$made_by" = "$1" ] || remove "$SERVER_PROJECT-$1"
    log=$(mktemp)
    # shellcheck disable=SC2086
    $SERVER_COMPOSE --project-name "$SERVER_PROJECT" --file compose.yaml \
        up --detach --no-build --no-deps "$1" >"$log" 2>&1 || {
        cat "$log" >&2
        rm "$log"
        broken "$SERVER_COMPOSE could not start $1; what it said stands above."
    }
    rm "$log"
}

remove() { # CONTAINER; the engine refuses for a moment while it is just being started
    for _ in 1 2 3 4 5; do
        [ -n "$(state "$1" .)" ] || return 0
        docker stop -t 60 "$1" >/dev/null 2>&1 || true
        reason=$(docker rm --force "$1" 2>&1 >/dev/null) || sleep 1
    done
    [ -z "$(state "$1" .)" ] || broken "The container $1 can't be removed: $reason"
}

wait_until_healthy() { # CONTAINER
    end=$(($(date +%s) + UP_SECONDS))
    while [ "$(date +%s)" -lt "$end" ]; do
        case $(state "$1" '{{.State.Health.Status}} {{.RestartCount}}') in
            healthy*) return ;;
            *' 0' | *' 1' | *' 2') sleep 1 ;;
            *) break ;; # it ends again and again
        esac
    done
    docker logs --tail 20 "$1" >&2 || true
    broken "$1 does not come up; its last words stand above."
}

exit_on_signals() {
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

take_back() { # what was started for nothing, and passwords that were not taken
    status=${late:-$?}
    trap - EXIT INT TERM HUP
    rm -f "$CLIENT.new" "$ADMIN.new"
    [ "$was_up" ] || down_quietly
    exit "$status"
}

up() {
    case ${1:-} in
        '') ;;
        --new-passwords) new_passwords=--reset ;;
        *) fail "server-up knows no '$1'. It takes --new-passwords alone." ;;
    esac
    check_settings
    add_own_name
    check_engine
    find_compose
    build "$DATABASE_IMAGE" docker/postgres
    build "$SERVER_IMAGE" docker/server
    check_port
    was_up=$(state "$MLFLOW" '{{if .State.Running}}yes{{end}}')
    trap take_back EXIT
    exit_on_signals
    for volume in database socket artifacts; do make_volume "$volume"; done
    start postgres
    wait_until_healthy "$POSTGRES"
    make_accounts
    start mlflow
    wait_until_healthy "$MLFLOW"
    trap - EXIT INT TERM HUP
    tell
}

tell() {
    say "The tracking server is up: $(address)" \
        "  log in as shackdoo; the password is in $CLIENT, which make train and the others use" \
        "  the administrator's is in $ADMIN"
    case $SERVER_HOST in
        127.*) ;;
        *) say "  Others call it by this machine's names and addresses; it answers to those in SERVER_NAMES (${SERVER_NAMES:-none yet})." \
            "  Passwords travel as they are: put a proxy with TLS before it where the network is not yours." ;;
    esac
}

down_quietly() {
    remove "$MLFLOW"
    remove "$POSTGRES"
    docker network rm "${SERVER_PROJECT}_default" >/dev/null 2>&1 || true
}

down() {
    case ${1:-} in
        '' | --volumes) ;;
        *) fail "server-down knows no '$1'. It takes --volumes alone, which removes the data." ;;
    esac
    check_settings
    check_engine
    down_quietly
    volumes="${SERVER_PROJECT}_database ${SERVER_PROJECT}_socket ${SERVER_PROJECT}_artifacts"
    if [ "${1:-}" = --volumes ]; then
        # shellcheck disable=SC2086
        docker volume rm --force $volumes >/dev/null
        say "The tracking server is down, and its runs, artifacts and accounts are removed."
    else
        say "The tracking server is down. Its data stay in the volumes $volumes:" \
            "make server-up brings it back, make server-down ARGS=--volumes removes them."
    fi
}

logs() {
    check_settings
    check_engine
    [ -n "$(state "$MLFLOW" .)" ] || fail "No tracking server is up. Start it: make server-up."
    docker logs --tail 100 "$POSTGRES"
    docker logs --tail 100 "$@" "$MLFLOW"
}

backup() {
    check_settings
    check_engine
    [ "$(state "$POSTGRES" '{{.State.Running}}')" = true ] ||
        fail "No tracking server is up, so there is nothing to back up. Start it: make server-up."
    file=${BACKUP:-backups/$SERVER_PROJECT-$(date -u +%Y%m%dT%H%M%SZ).tar}
    [ ! -e "$file" ] || fail "$file is there already. Name another file: make server-backup BACKUP=path."
    umask 077
    mkdir -p "$(dirname "$file")"
    part=$(mktemp "$file.XXXXXX")
    trap 'rm -f "$part"' EXIT
    exit_on_signals
    beside_the_database "$DATABASE_IMAGE" backup.sh >"$part" ||
        broken "The backup failed; the reason stands above. Nothing was written."
    mv "$part" "$file"
    say "Database, accounts and artifacts are in:"
    echo "$file"
}

restore() {
    [ -n "${BACKUP:-}" ] ||
        fail "Which backup? make server-restore BACKUP=path. In backups: $(ls -m backups 2>/dev/null | tr -d '\n' | grep . || echo none)."
    [ -f "$BACKUP" ] && [ -r "$BACKUP" ] || fail "There is no file $BACKUP to restore from."
    check_settings
    check_engine
    if [ "$(state "$MLFLOW" '{{.State.Health.Status}}')" = healthy ] && [ -e "$CLIENT" ] && [ -e "$ADMIN" ]; then
        client=$(password_in "$CLIENT") admin=$(password_in "$ADMIN")
    else
        up
    fi
    status=0
    beside_the_database "$DATABASE_IMAGE" restore.sh check </dev/null || status=$?
    [ "$status" != 3 ] ||
        fail "The server holds runs, models, users or artifacts already, and a backup is restored into an empty one only. Take another server (SERVER_PROJECT=name SERVER_PORT=5001 SERVER_CONFIG=folder), or remove what this one holds: make server-down ARGS=--volumes."
    [ "$status" = 0 ] || broken "The server could not be looked at; the reason stands above."
    trap 'docker start "$MLFLOW" >/dev/null' EXIT # however this ends
    exit_on_signals
    docker stop "$MLFLOW" >/dev/null
    beside_the_database "$DATABASE_IMAGE" restore.sh <"$BACKUP" || status=$?
    [ "$status" != 0 ] || set_accounts --reset
    [ "$status" != 4 ] ||
        fail "$BACKUP is no whole backup of make server-backup. The server is as empty as before."
    [ "$status" = 0 ] || broken "The backup could not be restored; the reason stands above."
    trap - EXIT INT TERM HUP
    docker start "$MLFLOW" >/dev/null
    wait_until_healthy "$MLFLOW"
    say "$BACKUP is restored. shackdoo and admin have the passwords of $CLIENT and $ADMIN, all other users those of the backup."
}

command=${1:-}
[ $# = 0 ] || shift
case $command in
    up | down | logs | backup | restore) "$command" "$@" ;;
    *) fail "docker/server.sh knows no '$command'. It takes up, down, logs, backup or restore." ;;
esac
