# The image that "make image" assembles without Docker, for those who build with it:
#   docker build --build-arg VERSION=$(git describe --tags --always) --tag dmm .

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
ARG VERSION=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -tags disable_grpc_modules -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /out/dmm ./cmd/dmm && \
    go run ./scripts/image -version "$VERSION" -o /out/image.tar "$TARGETOS/$TARGETARCH=/out/dmm" && \
    mv /out/image.*.cdx.json /out/sbom.cdx.json

# From scratch: the certificates that dmm trusts are in the binary, and those that a pod mounts come before them.
FROM scratch
COPY --from=build /out/dmm /dmm
COPY --from=build /out/sbom.cdx.json /usr/share/doc/dmm/sbom.cdx.json
# A number: Kubernetes refuses runAsNonRoot for a user that is only a name.
USER 65532:65532
ENTRYPOINT ["/dmm"]
