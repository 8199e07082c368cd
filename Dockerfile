# Rempart's image: built with the locked dependencies, shipped as one binary on a plain Debian.
#
#   docker build -t rempart .            (buildah bud --format docker -t rempart . : the OCI format has no HEALTHCHECK)
#   docker run --read-only --cap-drop ALL -v ./etc:/etc/rempart:ro -p 443:8443 rempart

FROM docker.io/library/rust:1.95-slim-bookworm AS build
WORKDIR /build
# .dockerignore lets in what the binary is made of and nothing else.
COPY . .
RUN cargo build --release --locked --bin rempart \
 && strip --strip-debug target/release/rempart \
 && target/release/rempart --version

FROM docker.io/library/debian:bookworm-slim
LABEL org.opencontainers.image.title="Rempart" \
      org.opencontainers.image.description="HTTPS gateway that enforces a learning platform's data-protection charter" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build --chown=0:0 --chmod=0755 /build/target/release/rempart /usr/local/bin/rempart
# A number, so that Kubernetes can prove that it is not root. Nothing in the image belongs to this user.
USER 65532:65532
# TLS, plain HTTP (redirects, ACME), metrics and probes: the ports of deploy/base/policies/gateway.yaml.
EXPOSE 8443 8080 9900
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/usr/local/bin/rempart", "health"]
ENTRYPOINT ["/usr/local/bin/rempart"]
CMD ["serve", "--policies", "/etc/rempart/policies"]
