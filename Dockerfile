# The first stage builds; the second contains only what runs. tests/image performs these same steps without Docker.

# The versions of Python and Debian on which all tests and the benchmark run. The publisher of the image adds the digest here.
FROM python:3.11-slim-bookworm AS python

FROM python AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    UV_LINK_MODE=copy
WORKDIR /build
COPY requirements-build.lock requirements-image.lock ./
# Wheels only: nothing is compiled, and no package runs code while it is installed.
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=cache,target=/root/.cache/uv \
    pip install --quiet --require-hashes --only-binary=:all: --requirement requirements-build.lock \
    && python -m venv --without-pip /opt/seatline \
    && uv pip install --quiet --python /opt/seatline/bin/python --require-hashes --only-binary :all: --requirement requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN pip wheel --quiet --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
    && uv pip install --quiet --no-cache --python /opt/seatline/bin/python --no-index --no-deps wheels/*.whl
# Remove files that only compilers, type checkers and tests read, and what Babel knows of languages that notices are not written in
# (30 MB). Compile the bytecode here, because the final root file system is
# read-only; unchecked, because copying may change the sources' times.
RUN find /opt/seatline/lib -type d -name tests -prune -exec rm -r {} + \
    && find /opt/seatline/lib -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) -delete \
    && find /opt/seatline/lib -path '*/babel/locale-data/*.dat' ! -name 'root.dat' ! -name 'en*.dat' ! -name 'fr*.dat' -delete \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/seatline/lib

# checkov:skip=CKV_DOCKER_2:the orchestrator probes the health service by gRPC and the metrics port by HTTP
FROM python
LABEL org.opencontainers.image.title="seatline" \
      org.opencontainers.image.description="Sells train seats over gRPC: one MongoDB document per train and date, changed by compare-and-swap." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# Remove the installers: nothing may be installed into a running container.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/lib/python3.*/ensurepip /usr/local/lib/python3.*/site-packages/*
COPY --from=build /opt/seatline /opt/seatline
# The server listens to other machines only with SEATLINE_TRUST_CALLER_METADATA=true, which the deployment must set.
ENV PATH=/opt/seatline/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SEATLINE_LISTEN=0.0.0.0:50051
USER 65532:65532
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["seatline"]
CMD ["serve"]
