# saf on the CPU: coordinator, worker, and every other command.
#   docker build -f deploy/docker/cpu.Dockerfile -t saf-cpu:0.1.0 .
# ENGINE=tensorflow takes TensorFlow's library from a Python wheel at build time; ENGINE=wasm needs npm alone and makes a
# small image for coordinators. Behind a mirror: --build-arg NODE_IMAGE=…, and npm's and pip's own variables.
ARG NODE_IMAGE=docker.io/library/node:22.21.1-bookworm-slim

FROM ${NODE_IMAGE} AS build
ARG ENGINE=tensorflow
WORKDIR /opt/saf
RUN if [ "${ENGINE}" = tensorflow ]; then \
      apt-get update \
      && apt-get install -y --no-install-recommends g++ python3 python3-pip \
      && rm -rf /var/lib/apt/lists/*; \
    fi
# The packages are a layer of their own: a change of the sources does not fetch them again.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY shared shared
COPY coordinator coordinator
COPY worker worker
COPY deploy deploy
RUN node deploy/build.mjs
ENV SAF_CACHE_DIR=/opt/saf/cache
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
    && node dist/deploy/cli/main.js setup --engine "${ENGINE}" --engine-only \
    && rm -rf dist/test dist/.tsbuildinfo

FROM ${NODE_IMAGE}
ARG ENGINE=tensorflow
LABEL org.opencontainers.image.title="saf" \
      org.opencontainers.image.description="A parameter-server training cluster for robust CNNs, on the CPU" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
WORKDIR /opt/saf
COPY --from=build /opt/saf/node_modules node_modules
COPY --from=build /opt/saf/cache cache
COPY --from=build /opt/saf/dist dist
COPY package.json LICENSE THIRD_PARTY_NOTICES.md ./
COPY deploy/docker/health.mjs deploy/docker/health.mjs
# A fresh named volume takes over whose this folder is.
RUN mkdir -p /var/lib/saf && chown 1000:1000 /var/lib/saf
# One thread for each worker: one process per core beats one process with many, and sums keep their order.
ENV NODE_ENV=production \
    SAF_ENGINE=${ENGINE} \
    SAF_CACHE_DIR=/tmp/saf \
    SAF_HTTP_HOST=0.0.0.0 \
    SAF_HTTP_PORT=9464 \
    SAF_LOG_FILE=- \
    TF_NUM_INTRAOP_THREADS=1 \
    TF_NUM_INTEROP_THREADS=1 \
    OMP_NUM_THREADS=1 \
    TF_CPP_MIN_LOG_LEVEL=2 \
    TF_ENABLE_ONEDNN_OPTS=1 \
    TF_DETERMINISTIC_OPS=1
# A number, because runAsNonRoot cannot judge a name.
USER 1000:1000
EXPOSE 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 CMD ["node", "/opt/saf/deploy/docker/health.mjs"]
# Node is process 1 and handles SIGTERM itself: no shell and no npm in between.
ENTRYPOINT ["node", "/opt/saf/dist/deploy/cli/main.js"]
