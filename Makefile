# One command each; everything is installed into .venv, the demo keeps its data in .demo.
#
#   make demo                    a year of shopping; DEMO=small: a sample, ready in minutes
#   make demo ARGS="--port 9000" python -m demo --help lists the options
#   make test ARGS="-k visitor"  pytest's options
#   PYTHON=python3.12            the Python that .venv is made from
#   PIP_FLAGS=...                options of pip install, e.g. an index with CPU builds of torch

PYTHON ?= python3
DEMO ?= full
ARGS ?=
PIP_FLAGS ?=

BIN := .venv/bin
INSTALLED := .venv/.installed
PEERS := .venv-peers/.installed
# What production sets; nothing connects with it.
PRODUCTION := DJANGO_SECRET_KEY=$$(head -c 48 /dev/urandom | base64 | tr -d '\n') DJANGO_HTTPS=1 \
	DJANGO_ALLOWED_HOSTS=shop.example DJANGO_CSRF_TRUSTED_ORIGINS=https://shop.example

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types check format messages clean bench-install bench-quality

help:
	@echo "make demo    run the shop with recommendations (DEMO=small: a sample)"
	@echo "make test    run the tests on a real Postgres and broker"
	@echo "make lint    ruff: rules and format"
	@echo "make types   mypy"
	@echo "make check   migrations complete, production settings safe"
	@echo "make format  let ruff fix and format"
	@echo "make messages  collect the texts to translate and compile the translations (needs gettext)"
	@echo "make clean   delete the demo's data"
	@echo "make bench-quality   our lists beside the peers' (ARGS=\"--data amazon-beauty\")"
	@echo "make bench-install   the peers of the quality benchmark, into .venv-peers"

install: $(INSTALLED)

$(INSTALLED): $(wildcard requirements*.txt)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }
	@echo "Installing requirements.txt into .venv (1.3 GB, a minute or more)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -r requirements.txt
	@touch $@

bench-install: $(PEERS)

$(PEERS): benchmarks/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
		|| { echo "The peers need Python 3.11 or 3.12: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@.venv-peers/bin/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv-peers || { rm -rf .venv-peers; exit 1; }
	@echo "Installing benchmarks/requirements.txt into .venv-peers (1.4 GB, a minute or more)"
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -r benchmarks/requirements.txt
	@touch $@

bench-quality: $(INSTALLED) $(PEERS)
	@$(BIN)/python -m benchmarks.quality $(ARGS)

demo: $(INSTALLED)
	@$(BIN)/python -m demo --size $(DEMO) $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not benchmark" $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED)
	$(BIN)/mypy

check: $(INSTALLED)
	@DJANGO_DEBUG=1 $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

messages: $(INSTALLED)
	@DJANGO_DEBUG=1 $(BIN)/python -W ignore::RuntimeWarning manage.py makemessages --locale zh_Hans --no-location --no-wrap \
		--no-obsolete --ignore tests --ignore benchmarks --ignore demo
	@DJANGO_DEBUG=1 $(BIN)/python -W ignore::RuntimeWarning manage.py compilemessages --locale zh_Hans --ignore '.venv*'

clean:
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m demo.clean; fi
