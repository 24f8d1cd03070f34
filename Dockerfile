# The program alone, linked statically, in an image of nothing else:
#
#     docker build -t puro .
#     docker run --rm -v events:/streams puro info /streams/events
#
# Several containers of one machine may share a volume: docs/src/how-to/containers.md.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /puro
COPY . .
RUN cargo build --release --locked -p puro-cli

FROM scratch
COPY --from=build /puro/target/release/puro /puro
# As in most images, this one is root's in its own namespace. Use --user where the volume is somebody else's.
ENTRYPOINT ["/puro"]
CMD ["--help"]
