# The project's tasks. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
PORT ?= 8080

.PHONY: help setup run run-cluster test check ci-extra build bench bench-scheduling faults faults-full proto lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## make .venv from the locked requirements

.venv/.ready: requirements/dev.txt pyproject.toml tools/setup.sh
	@sh tools/setup.sh

run: setup ## start everything with the sample workshop (SAMPLE=none: empty; PORT=8080; MES_HOME=folder)
	@$(BIN)/mes run $(if $(SAMPLE),--sample $(SAMPLE)) --port $(PORT)

run-cluster: setup ## the same with every service in its own process, on Apache Kafka (KAFKA=no: without; REPLICAS=2)
	@$(BIN)/mes cluster $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(filter no,$(KAFKA)),--no-kafka) --replicas $(or $(REPLICAS),1) --port $(PORT)

test: setup ## run all tests
	@$(BIN)/python -m pytest tests -n auto --maxprocesses 4 --dist loadfile

check: setup ## lint, types, layers, contracts, migrations, messages, licences
	@$(BIN)/python -m tools.check

build: setup ## make a wheel that holds everything, in dist/
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .

bench: setup ## measure and print
	@$(BIN)/python -m tests.bench

bench-scheduling: setup ## the scheduler against public instances, CP-SAT and rules; takes an hour
	@$(BIN)/python -m tests.bench.scheduling

faults: setup ## kill -9 of `make run` under load, many times, and count
	@$(BIN)/python -m tests.faults

ci-extra: setup ## every fault of the cluster once, and the controls (root, haproxy, iproute2, Java; about 8 minutes)
	@$(BIN)/python -m tests.faults.cluster

faults-full: setup ## all of them as often as for a release (hours; goes on where it was: FOLDER=var/faults/release)
	@$(BIN)/python -m tests.faults.cluster --full --folder $(or $(FOLDER),var/faults/release) --report docs/reliability.md

proto: setup ## generate libs/mes/events from proto/
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/proto.py

lock: ## renew the locked requirements (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 -o requirements/runtime.txt
	uv pip compile pyproject.toml --extra dev -c requirements/runtime.txt --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 -o requirements/dev.txt

clean: ## remove what the tools made, except .venv
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
