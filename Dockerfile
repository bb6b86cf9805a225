# seekcli on CPUs:     docker build -t seekcli . && docker run --rm seekcli
# on NVIDIA GPUs:      docker build -t seekcli --build-arg TORCH_INDEX=https://pypi.org/simple . && docker run --rm --gpus all seekcli
# a run that is kept:  docker run --rm -v "$PWD/results:/home/seek/results" seekcli train --model resnet20-to-32
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml MANIFEST.in LICENSE README.md ./
COPY seekcli ./seekcli
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# torch first, from its own index: the wheels of PyPI bring CUDA with them, 5 GB more.
COPY constraints.txt /tmp/
RUN grep -E '^(torch|torchvision)==' /tmp/constraints.txt > /tmp/torch.txt \
    && pip install --no-cache-dir --index-url "$TORCH_INDEX" -r /tmp/torch.txt
COPY --from=build /wheels/ /tmp/wheels/
RUN pip install --no-cache-dir -c /tmp/constraints.txt /tmp/wheels/*.whl && rm -r /tmp/wheels

RUN useradd --uid 1000 --create-home seek && install -d -o 1000 /home/seek/results
USER 1000
WORKDIR /home/seek
# An image in which something is wrong is never built.
RUN ["seek", "doctor"]
ENTRYPOINT ["seek"]
CMD ["doctor"]
