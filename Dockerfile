# Two images of one wheel: the operator, and the service.
#
#   docker build --target operator -t vectorplane-operator .
#   docker build --target service -t vectorplane-service .
#
# The base is pinned by its digest; --build-arg PYTHON=... takes another one. All packages are pinned
# by hashes. Files have the time of SOURCE_DATE_EPOCH and bytecode goes by hashes, so one commit
# always gives the same files.
ARG PYTHON=python:3.13-slim-bookworm@sha256:01f42367a0a94ad4bc17111776fd66e3500c1d87c15bbd6055b7371d39c124fb

FROM ${PYTHON} AS python

FROM python AS installer
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

FROM installer AS wheel
ARG SOURCE_DATE_EPOCH=1577836800
WORKDIR /src
COPY constraints/build.txt constraints/
RUN python -m venv /build && /build/bin/pip install --quiet --require-hashes -r constraints/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY operator operator
COPY service service
RUN /build/bin/python -m hatchling build -t wheel -d /wheel

# Packages first: a change of the code leaves this layer as it is.
FROM installer AS environment
ARG SOURCE_DATE_EPOCH=1577836800
RUN python -m venv --without-pip /opt/vectorplane
# settle WHAT PIP-ARGUMENTS: installs, compiles what it is told, and sets the time of all files.
RUN printf '%s\n' '#!/bin/sh -e' 'what=$1; shift; cd /opt/vectorplane' \
      'pip --python bin/python install --quiet --no-compile "$@"' \
      'python -m compileall -qq --invalidation-mode unchecked-hash lib/python3*/site-packages/$what || true' \
      'find . -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +' \
      > /usr/local/bin/settle && chmod +x /usr/local/bin/settle

FROM environment AS operator-environment
ARG SOURCE_DATE_EPOCH=1577836800
COPY constraints/operator.txt /tmp/
RUN settle '*' --require-hashes -r /tmp/operator.txt
COPY --from=wheel /wheel /wheel
RUN settle 'vectorplane*' --no-index --no-deps /wheel/*.whl

FROM environment AS service-environment
ARG SOURCE_DATE_EPOCH=1577836800
COPY constraints/service.txt /tmp/
RUN settle '*' --require-hashes -r /tmp/service.txt
COPY --from=wheel /wheel /wheel
RUN settle 'vectorplane*' --no-index --no-deps /wheel/*.whl

# Nothing that installs or builds is left, and nobody is root.
FROM python AS runtime
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip \
      /usr/local/lib/python3*/idlelib /usr/local/lib/python3*/config-3* /usr/local/include \
      /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/bin/*-config \
    && echo 'vectorplane:x:65532:65532::/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'vectorplane:x:65532:' >> /etc/group
ENV PATH=/opt/vectorplane/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /
LABEL org.opencontainers.image.licenses=Apache-2.0 org.opencontainers.image.vendor=vectorplane

FROM runtime AS operator
COPY --from=operator-environment /opt/vectorplane /opt/vectorplane
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title=vectorplane-operator \
      org.opencontainers.image.description="Makes VectorCollections of a cluster into Qdrant collections." \
      org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('OPERATOR_HTTP_PORT') or 8080), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["vectorplane", "operator"]

FROM runtime AS service
COPY --from=service-environment /opt/vectorplane /opt/vectorplane
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title=vectorplane-service \
      org.opencontainers.image.description="Serves vector collections over HTTP." \
      org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}
# The workers' counters: in memory, where a read-only root can be written.
ENV PROMETHEUS_MULTIPROC_DIR=/dev/shm/vectorplane-metrics
EXPOSE 10200
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 10200), timeout=4); c.request('GET', '/health/live'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["gunicorn", "-c", "python:vectorplane_service.gunicorn_conf", "vectorplane_service.main:app"]
