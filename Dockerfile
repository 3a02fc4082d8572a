# The image `shackdoo`: Python, the locked packages, the code. `make docker-build` builds it.
#   BASE_IMAGE    Debian 12, or what is built on it
#   REQUIREMENTS  requirements-gpu.lock (TensorFlow with CUDA) or requirements.lock (CPU)
# Layers go from what changes seldom to what changes often: a change of code rebuilds the last ones.
ARG BASE_IMAGE=debian:bookworm-slim
FROM ${BASE_IMAGE}

# git tells which code runs; tini hands signals on, so that `docker stop` ends a training in order.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates git python3 python3-venv tini \
    && rm -rf /var/lib/apt/lists/* \
    # The tree is mounted and may belong to anybody; its code is run here anyway.
    && git config --system safe.directory '*' \
    && useradd --uid 10001 --user-group --create-home --home-dir /mlflow/home shackdoo \
    && install -d -o shackdoo -g shackdoo /mlflow/projects/code

ENV PATH=/mlflow/venv/bin:$PATH \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LOGNAME=shackdoo \
    SHACKDOO_CONTAINER=1

ARG REQUIREMENTS=requirements-gpu.lock
COPY ${REQUIREMENTS} /mlflow/recipe.d/
RUN python3 -m venv /mlflow/venv \
    && pip install --no-cache-dir --progress-bar off --require-hashes -r /mlflow/recipe.d/${REQUIREMENTS}

# The package is installed as a link to the code below, over which a run mounts its own tree. What
# makes the link is held to the hashes of a lock as well, and goes again.
WORKDIR /mlflow/projects/code
COPY pyproject.toml requirements-build.lock README.md LICENSE ./
COPY shackdoo/__init__.py shackdoo/
RUN pip install --no-cache-dir --progress-bar off --target /tmp/build --require-hashes -r requirements-build.lock \
    && PYTHONPATH=/tmp/build pip install --no-build-isolation --no-deps --editable . \
    && rm -r /tmp/build

# What the environment was made of: a tree that wants another one finds out when it starts.
COPY Dockerfile docker/entrypoint.sh /mlflow/recipe.d/
RUN cd /mlflow/recipe.d \
    && sha256sum Dockerfile ${REQUIREMENTS} entrypoint.sh | cut -c 1-64 | sha256sum | cut -c 1-64 \
        >/mlflow/recipe \
    && echo "${REQUIREMENTS}" >/mlflow/requirements \
    && install -m 755 entrypoint.sh /mlflow/entrypoint.sh

COPY --chown=shackdoo:shackdoo . .

# Which code this is. Both are empty if they are not told: then a run from here has no commit.
ARG COMMIT=
ARG DIRTY=
ARG RECIPE=
ENV SHACKDOO_IMAGE_COMMIT=${COMMIT} SHACKDOO_IMAGE_DIRTY=${DIRTY}
LABEL org.opencontainers.image.title="shackdoo" \
    org.opencontainers.image.description="Reproducible deep-learning experiments with Keras" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.revision="${COMMIT}" \
    shackdoo.dirty="${DIRTY}" \
    shackdoo.recipe="${RECIPE}" \
    shackdoo.requirements="${REQUIREMENTS}"

ENTRYPOINT ["/usr/bin/tini", "--", "/mlflow/entrypoint.sh"]
CMD ["shackdoo", "--help"]
