# One image for every part of CryptoViz; the command says which. Kafka, ClickHouse and Grafana have images of their own.
FROM python:3.11-slim-bookworm AS build
# Faust has no wheel for Linux on arm64, so that one is compiled here.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# requirements-forecast.txt makes the image of the batch models.
ARG REQUIREMENTS=requirements-image.txt
COPY requirements-image.txt requirements-forecast.txt ./
RUN python -m venv /opt/cryptoviz && /opt/cryptoviz/bin/pip install --no-cache-dir --require-hashes -r "$REQUIREMENTS"
COPY pyproject.toml README.md LICENSE ./
COPY cryptoviz cryptoviz
COPY producers producers
COPY processors processors
COPY sql sql
RUN /opt/cryptoviz/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/cryptoviz --create-home cryptoviz
COPY --from=build /opt/cryptoviz /opt/cryptoviz
ENV PATH=/opt/cryptoviz/bin:$PATH PYTHONUNBUFFERED=1 CRYPTOVIZ_HOME=/var/lib/cryptoviz
USER cryptoviz
WORKDIR /var/lib/cryptoviz
ENTRYPOINT ["cryptoviz"]
CMD ["--help"]
