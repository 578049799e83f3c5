# What builds stays behind in the first stage; the second has only what runs. tests/image takes these very steps without Docker.

# The Python and the Debian that all tests and the benchmark run on. Whoever publishes the image adds the digest to the tag, here.
FROM python:3.11-slim-bookworm AS python

FROM python AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    UV_LINK_MODE=copy
WORKDIR /build
COPY requirements-build.lock requirements-image.lock ./
# Wheels only: nothing here is compiled, and nothing that a package brings runs as it is installed.
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=cache,target=/root/.cache/uv \
    pip install --quiet --require-hashes --only-binary=:all: --requirement requirements-build.lock \
    && python -m venv --without-pip /opt/seatline \
    && uv pip install --quiet --python /opt/seatline/bin/python --require-hashes --only-binary :all: --requirement requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN pip wheel --quiet --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
    && uv pip install --quiet --no-cache --python /opt/seatline/bin/python --no-index --no-deps wheels/*.whl
# What only compilers, type checkers and tests read. Bytecode is made here since the root is read-only there; it is not held
# against the time of its source, which another way of copying would change.
RUN find /opt/seatline/lib -type d -name tests -prune -exec rm -r {} + \
    && find /opt/seatline/lib -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) -delete \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/seatline/lib

# checkov:skip=CKV_DOCKER_2:the orchestrator asks the health service by gRPC, and the metrics port by HTTP
FROM python
LABEL org.opencontainers.image.title="seatline" \
      org.opencontainers.image.description="Sells train seats over gRPC: one MongoDB document per train and date, changed by compare-and-swap." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is to be installed into a running container.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/lib/python3.*/ensurepip /usr/local/lib/python3.*/site-packages/*
COPY --from=build /opt/seatline /opt/seatline
# Open to other machines only where SEATLINE_TRUST_CALLER_METADATA allows it; that is for whoever deploys to say.
ENV PATH=/opt/seatline/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SEATLINE_LISTEN=0.0.0.0:50051
USER 65532:65532
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["seatline"]
CMD ["serve"]
