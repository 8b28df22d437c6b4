# syntax=docker/dockerfile:1
# Three images from one file: `web` (no torch), `worker` (training), `loader` (the demo's data).
FROM python:3.11-slim-bookworm AS web

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=shop.settings \
    DJANGO_STATIC_ROOT=/app/static
WORKDIR /app
RUN useradd --system --uid 10001 --create-home shop && install --directory --owner=shop /app/spill /app/checkpoints

COPY requirements-web.txt .
RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements-web.txt

COPY manage.py .
COPY recommender recommender
COPY shop shop
COPY templates templates
# The key signs nothing here; production's comes from the environment.
RUN DJANGO_SECRET_KEY=build python manage.py collectstatic --noinput

USER shop
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--no-ws", "shop.wsgi:application"]


FROM web AS worker
# E.g. an index of CPU builds of torch; the default index has CUDA builds.
ARG PIP_FLAGS=""
USER root
COPY requirements-train.txt .
RUN --mount=type=cache,target=/root/.cache/pip pip install ${PIP_FLAGS} -r requirements-web.txt -r requirements-train.txt
USER shop
CMD ["celery", "-A", "shop", "worker", "-Q", "training", "--concurrency=1"]


FROM web AS loader
USER root
COPY requirements-data.txt .
RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements-web.txt -r requirements-data.txt
USER shop
CMD ["python", "manage.py", "shop_load"]
