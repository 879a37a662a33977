# A node in a container, built from this checkout:
#
#   docker build -t peermesh .
#   docker run -p 8080:8080 -v peermesh:/state -e PEERMESH_PUBLIC_URL=ws://192.0.2.7:8080 peermesh
#
# Settings come as flags behind the image's name, as PEERMESH_… or in a file that is
# mounted and named by PEERMESH_CONFIG. The health check knows the latter two alone.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /out/peermesh ./cmd/peermesh && mkdir -m 700 /out/state /out/run

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/peermesh /peermesh
COPY --from=build --chown=65532:65532 /out/state /state
COPY --from=build --chown=65532:65532 /out/run /run
USER 65532:65532
ENV PORT=8080 PEERMESH_STATE=/state XDG_RUNTIME_DIR=/run
EXPOSE 8080
VOLUME /state
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/peermesh", "doctor", "--running", "--timeout", "3s"]
ENTRYPOINT ["/peermesh"]
