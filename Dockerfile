# The worker's own image: the binary, the libraries that it links, and a user without rights.
#
#   docker build -t sluice .                                        compiles in the image BUILDER
#   docker build --target prebuilt --build-arg BINARY=sluice -t sluice .    takes the binary ./sluice instead
#
# Both base images are arguments, for a mirror or an air-gapped network. To run builds it is given the machine's
# engine: docs/operations.md, "In a container".

ARG BUILDER=rust:1.95-bookworm
ARG RUNTIME=debian:bookworm-slim

# A base without apt brings OpenSSL 3 and the root certificates itself.
FROM ${RUNTIME} AS base
RUN if command -v apt-get >/dev/null; then \
        apt-get update && apt-get install -y --no-install-recommends ca-certificates libssl3 \
        && rm -rf /var/lib/apt/lists/*; \
    fi \
    && echo 'sluice:x:10001:10001:sluice:/var/lib/sluice:/bin/sh' >>/etc/passwd \
    && echo 'sluice:x:10001:' >>/etc/group \
    && mkdir -p /var/lib/sluice && chown 10001:10001 /var/lib/sluice
ENV SLUICE_STATE_DIR=/var/lib/sluice
USER 10001:10001
WORKDIR /var/lib/sluice
# What a container is for most: a worker that hangs does not answer. For another command: docker run --no-healthcheck.
HEALTHCHECK --interval=1m --timeout=10s --start-period=30s CMD sluice worker status >/dev/null || exit 1
ENTRYPOINT ["sluice"]
CMD ["--help"]

FROM base AS prebuilt
# Docker's older builder makes this stage on its way to the last one too, so what stands here is always in the context.
ARG BINARY=Cargo.toml
COPY ${BINARY} /usr/local/bin/sluice

FROM ${BUILDER} AS builder
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p runner --bin sluice

FROM base AS runtime
COPY --from=builder /src/target/release/sluice /usr/local/bin/sluice
