# syntax=docker/dockerfile:1
# Two stages: the first makes a virtual environment from uv.lock (every file by its hash), the second holds only
# that and the interpreter. Runs as a user without rights; the root file system may be mounted read-only.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG UV_VERSION=0.13.9
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_PROJECT_ENVIRONMENT=/opt/defervesce/venv
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --quiet "uv==${UV_VERSION}"
WORKDIR /src
# The dependencies first: they change less often than the code, and this layer is then kept.
COPY pyproject.toml uv.lock ./
RUN /opt/uv/bin/uv sync --locked --no-dev --no-install-project --compile-bytecode
COPY README.md LICENSE NOTICE ./
COPY app ./app
RUN /opt/uv/bin/uv sync --locked --no-dev --no-editable --compile-bytecode
# Where `defervesce migrate` looks for the migrations of an installed service.
COPY alembic /opt/defervesce/venv/share/defervesce/alembic

FROM ${PYTHON_IMAGE}
ARG GIT_SHA=
LABEL org.opencontainers.image.title="Defervesce" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${GIT_SHA}"
# /data holds the SQLite file of a service that is told of no other database.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin defervesce \
    && install -d -o 10001 -g 10001 -m 0700 /data
VOLUME /data
COPY --from=build /opt/defervesce /opt/defervesce
ENV PATH=/opt/defervesce/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp/matplotlib \
    DEFERVESCE_GIT_SHA=${GIT_SHA} DEFERVESCE_HOST=0.0.0.0 DEFERVESCE_PORT=8000 \
    DEFERVESCE_AUTH=required DEFERVESCE_DATABASE_URL=sqlite:////data/defervesce.db
USER 10001
WORKDIR /
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"DEFERVESCE_PORT\"]}/readyz', timeout=2)"]
CMD ["defervesce", "serve", "--migrate"]
