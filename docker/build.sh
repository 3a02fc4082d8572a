#!/bin/sh
# Builds the image of the tree: `sh docker/build.sh [--if-needed]`.
#   GPU=0        TensorFlow for the CPU; without it CUDA comes along
#   BASE_IMAGE   Debian 12, or what is built on it (debian:bookworm-slim)
#   IMAGE        its name, which MLproject names as well (shackdoo)
# With --if-needed an image that was made by the same recipe stays: the tree is mounted over its code.
set -eu
cd "$(dirname "$0")/.."
image=${IMAGE:-shackdoo}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

label() { # prints nothing if there is no image
    docker image inspect --format "{{index .Config.Labels \"$1\"}}" "$image" 2>/dev/null || true
}

recipe() { # what shackdoo.provenance.image.recipe computes, too
    sha256sum Dockerfile "$1" docker/entrypoint.sh | cut -c 1-64 | sha256sum | cut -c 1-64
}

tree_git() { # root may build the image of somebody else's tree
    git -c safe.directory="$PWD" "$@" 2>/dev/null
}

is_dirty() {
    [ -n "$(tree_git status --porcelain)" ]
}

command -v docker >/dev/null || fail "Docker is not installed. https://docs.docker.com/engine/install tells how; without it: make train."
said=$(docker version --format '{{.Server.Version}}' 2>&1) || fail "The Docker engine can't be used: $said. Start it, or get the right to use it; without it: make train."

wants_cuda() { # it was built without, and there is a GPU by now
    [ "$1" = requirements.lock ] && sh docker/host.sh options $$ | grep -q gpus
}

present=$(label shackdoo.requirements)
if [ "${1:-}" = --if-needed ] && [ -n "$present" ] && [ -f "$present" ] &&
    [ "$(label shackdoo.recipe)" = "$(recipe "$present")" ] && ! wants_cuda "$present"; then
    exit 0
fi

if [ "${GPU:-1}" = 0 ]; then requirements='requirements.lock'; else requirements='requirements-gpu.lock'; fi
commit=$(tree_git rev-parse --verify --quiet HEAD || true)
before=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
echo "building the image $image from $requirements; GPU=0 leaves CUDA out" >&2
docker build --force-rm --tag "$image" \
    ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} \
    --build-arg "REQUIREMENTS=$requirements" \
    --build-arg "COMMIT=$commit" \
    --build-arg "DIRTY=$(if is_dirty; then echo true; else echo false; fi)" \
    --build-arg "RECIPE=$(recipe "$requirements")" \
    . >&2 ||
    fail "The image $image was not built; what Docker said stands above. Without a registry: BASE_IMAGE=NAME names a Debian 12 image that is here."
# The image before has lost this name. If it has no other one, it goes, unless a container runs from it.
tags=$(docker image inspect --format '{{len .RepoTags}}' "$before" 2>/dev/null || true)
[ "$tags" != 0 ] || docker image rm "$before" >/dev/null 2>&1 || true
