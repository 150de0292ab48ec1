# saf's worker on an NVIDIA GPU: tfjs-node-gpu, linked to TensorFlow 2.21 for CUDA 12 out of its Python wheel.
#   docker build -f deploy/docker/gpu.Dockerfile -t saf-gpu:0.1.0 .
# Driver: 525 or newer (CUDA 12). The base brings CUDA's and cuDNN's libraries; the wheel needs cuDNN 9.3 and CUDA 12.5 or
# newer. No GPU is needed to build; that all libraries are found is checked here, that they work is checked by the
# worker's self-test when it starts. The stock library of tfjs-node-gpu is for CUDA 11 and has no code for cards since
# Hopper; it is not used.
ARG CUDA_IMAGE=docker.io/nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04
ARG NODE_IMAGE=docker.io/library/node:22.21.1-bookworm-slim

FROM ${NODE_IMAGE} AS node

FROM ${CUDA_IMAGE} AS build
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
    && apt-get update \
    && apt-get install -y --no-install-recommends g++ python3 python3-pip \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/saf
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
# Without its CUDA extra: those libraries are the base's.
RUN python3 -m pip install --break-system-packages --no-cache-dir --no-deps --only-binary=:all: tensorflow==2.21.0
COPY tsconfig.json ./
COPY shared shared
COPY coordinator coordinator
COPY worker worker
COPY deploy deploy
RUN node deploy/build.mjs
ENV SAF_CACHE_DIR=/opt/saf/cache
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
    && node dist/deploy/setup/link-cuda.js \
    && rm -rf dist/test dist/.tsbuildinfo

FROM ${CUDA_IMAGE}
LABEL org.opencontainers.image.title="saf" \
      org.opencontainers.image.description="A parameter-server training cluster for robust CNNs, on NVIDIA GPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
COPY --from=node /usr/local/bin/node /usr/local/bin/node
WORKDIR /opt/saf
COPY --from=build /opt/saf/node_modules node_modules
COPY --from=build /opt/saf/cache cache
COPY --from=build /opt/saf/dist dist
COPY package.json LICENSE THIRD_PARTY_NOTICES.md ./
COPY deploy/docker/health.mjs deploy/docker/check-libraries.sh deploy/docker/
RUN sh deploy/docker/check-libraries.sh
ENV NODE_ENV=production \
    SAF_ENGINE=tensorflow-gpu \
    SAF_CACHE_DIR=/tmp/saf \
    SAF_HTTP_HOST=0.0.0.0 \
    SAF_HTTP_PORT=9464 \
    SAF_LOG_FILE=- \
    TF_NUM_INTRAOP_THREADS=1 \
    TF_NUM_INTEROP_THREADS=1 \
    OMP_NUM_THREADS=1 \
    TF_CPP_MIN_LOG_LEVEL=1 \
    TF_DETERMINISTIC_OPS=1 \
    TF_FORCE_GPU_ALLOW_GROWTH=true \
    CUDA_CACHE_PATH=/tmp/saf/cuda \
    CUDA_CACHE_MAXSIZE=2147483648 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000
EXPOSE 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=900s --retries=4 CMD ["node", "/opt/saf/deploy/docker/health.mjs"]
ENTRYPOINT ["node", "/opt/saf/dist/deploy/cli/main.js"]
