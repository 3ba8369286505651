# syntax=docker/dockerfile:1
# chords in a container, with its built-in models; docs/installing.md shows how to run it.
#
#   docker build --tag chords .                     NVIDIA GPUs
#   docker build --tag chords:cpu --target cpu .    processors
#
# The versions are those of constraints.txt, which were verified together on Python 3.11.

# What both images have. The compiler and Python's headers are for torch.compile (`compile:` in a
# preset). Torch's packages bring CUDA's libraries: the host has only the driver and its toolkit.
FROM debian:bookworm-slim AS system
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates g++ python3 python3-dev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 chords \
    && install --directory --mode 1777 --owner chords /cache /work
ENV PATH="/opt/chords/bin:$PATH" \
    XDG_CACHE_HOME=/cache \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM system AS base
# Models of the hub and compiled code.
VOLUME /cache
WORKDIR /work
USER 1000
ENTRYPOINT ["chords"]
CMD ["--help"]

FROM system AS tools
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/chords
WORKDIR /source
COPY constraints.txt ./

FROM tools AS wheel
RUN pip install --no-cache-dir --constraint constraints.txt build hatchling
COPY . ./
RUN python -m build --wheel --no-isolation --outdir /dist

FROM tools AS installed-cpu
ARG EXTRAS=heic,lora,quantization
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --constraint constraints.txt --index-url "$TORCH_INDEX" torch
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    pip install --no-cache-dir --constraint constraints.txt "$(echo /dist/*.whl)[$EXTRAS]"

FROM tools AS installed-cuda
ARG EXTRAS=heic,lora,quantization,qwen
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    pip install --no-cache-dir --constraint constraints.txt "$(echo /dist/*.whl)[$EXTRAS]"

FROM base AS cpu
COPY --from=installed-cpu /opt/chords /opt/chords

FROM base AS cuda
COPY --from=installed-cuda /opt/chords /opt/chords
