# Each target makes what it needs: a virtual environment of its own from hashed pins, then the work.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
DEMO := .venv-demo
DEV := .venv-dev
DOCS := .venv-docs
PYTEST_ARGS ?=
# Processes that tests are spread over, file by file: most of them wait for servers most of the time. In
# the order of their names, which has the long ones before the unit tests: else one process waits at the end.
WORKERS ?= 2
SPREAD = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# The adapter of a Qdrant server is measured where there is one: elsewhere its tests are skipped, and listed.
UNMEASURED := $(if $(QDRANT_URL)$(shell command -v qdrant),,--omit='core/src/vectorplane/adapters/vectors/qdrant_server/*')
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-units check generate docs constraints bench-search bench-memory bench-embedded bench-operator bench-exposure kill-loop e2e images clean

help: ## what there is to make
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

demo: $(DEMO)/.ready ## a manifest becomes a collection that answers searches, on this machine (KEEP=1 keeps serving)
	@$(DEMO)/bin/python examples/demo.py

test: $(DEV)/.ready ## the whole suite; REQUIRE="controlplane qdrant" forbids to skip a part
	@$(DEV)/bin/python -m coverage erase
	@$(DEV)/bin/python -m pytest $(SPREAD) --cov --cov-report=term $(PYTEST_ARGS)
	@$(DEV)/bin/python -m coverage report --include='core/src/*,service/src/*' $(UNMEASURED) --fail-under=95 \
	  --format=total --precision=1 | sed 's/^/branch coverage of core and service, percent: /'

test-units: $(DEV)/.ready ## the quick part: unit and contract suites
	@$(DEV)/bin/python -m pytest $(SPREAD) tests/unit tests/contract $(PYTEST_ARGS)

check: $(DEV)/.ready ## every strict check: format, lint, types, layers, generated files, charts
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports
	$(DEV)/bin/python -m vectorplane.crd --check
	$(DEV)/bin/python -m vectorplane_service.env_example --check
	$(DEV)/bin/python -m vectorplane_service.openapi_snapshot --check
	$(DEV)/bin/python tools/blocking_client.py --check
	$(DEV)/bin/python tools/charts.py --check
	PYTHONPATH=tools $(DEV)/bin/python -m dashboards --check
	$(DEV)/bin/python tools/docs/references.py --check
	$(DEV)/bin/python tools/docs/pictures.py --check
	$(DEV)/bin/python tools/chart_check.py

generate: $(DEV)/.ready ## CRDs, tables, charts' files, .env.example, the OpenAPI document and the sync client
	$(DEV)/bin/python -m vectorplane.crd
	$(DEV)/bin/python -m vectorplane_service.env_example > .env.example
	$(DEV)/bin/python -m vectorplane_service.openapi_snapshot
	$(DEV)/bin/python tools/blocking_client.py
	$(DEV)/bin/python tools/charts.py
	PYTHONPATH=tools $(DEV)/bin/python -m dashboards
	$(DEV)/bin/python tools/docs/references.py
	$(DEV)/bin/python tools/docs/pictures.py

docs: $(DOCS)/.ready ## the site, into build/site; every link and anchor is checked
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

constraints: ## pin anew: needs uv (https://docs.astral.sh/uv/)
	uv pip compile pyproject.toml $(PIN) --extra example --group build -o constraints/demo.txt
	uv pip compile pyproject.toml $(PIN) --extra all --group test --group check --group build \
	  -o constraints/dev.txt
	uv pip compile --group pyproject.toml:build $(PIN) -c constraints/dev.txt -o constraints/build.txt
	uv pip compile pyproject.toml $(PIN) -c constraints/dev.txt $(call extras,operator $(IMAGE_EXTRAS)) \
	  -o constraints/operator.txt
	uv pip compile pyproject.toml $(PIN) -c constraints/dev.txt $(call extras,service redis $(IMAGE_EXTRAS)) \
	  -o constraints/service.txt
	uv pip compile --group pyproject.toml:docs $(PIN) -c constraints/dev.txt -o constraints/docs.txt

PIN := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
  --no-emit-index-url
# What both images have besides: the operator embeds, too, in a rebuild.
IMAGE_EXTRAS := qdrant embeddings otel consul
extras = $(foreach extra,$(1),--extra $(extra))

bench-search: $(DEV)/.ready ## searches a second: Qdrant itself, a plain app, and the service, in one run
	@$(DEV)/bin/python bench/search.py

bench-memory: $(DEV)/.ready ## memory of the service over 200,000 requests of every kind
	@$(DEV)/bin/python bench/memory.py

bench-embedded: $(DEV)/.ready ## the embedded engine behind the API, 16 clients, one process
	@$(DEV)/bin/python bench/embedded.py

bench-operator: $(DEV)/.ready ## the operator at 1,000 collections and 10,000 tenants, about half an hour
	@$(DEV)/bin/python bench/operator_bench.py

bench-exposure: $(DEV)/.ready ## a hundred exposed collections: until each can be called, and at rest
	@$(DEV)/bin/python bench/exposure.py

kill-loop: $(DEV)/.ready ## the operator is killed 200 times while 60 resources change (KILLS=n for another number)
	@KILLS=$${KILLS:-200} REQUIRE="controlplane qdrant" $(DEV)/bin/python -m pytest -s \
	  tests/integration/operator/test_kill_loop.py

# Of a commit: its time stands in all files, and who builds with the same base gets the same files.
images: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
images: ## both images, by docker: vectorplane-operator and vectorplane-service (TAG=...)
	for target in operator service; do \
	  docker build --target $$target -t vectorplane-$$target:$(or $(TAG),dev) \
	    --build-arg SOURCE_DATE_EPOCH=$$SOURCE_DATE_EPOCH --build-arg VERSION=$(or $(TAG),dev) \
	    --build-arg REVISION=$(shell git rev-parse HEAD) . || exit 1; done

e2e: $(DEV)/.ready ## the charts and images as pods of a real Kubernetes; what it takes stands in tests/support/node.py
	@VECTORPLANE_E2E=1 REQUIRE="$$REQUIRE node" $(DEV)/bin/python -m pytest -x --durations=10 tests/e2e $(PYTEST_ARGS)

clean: ## forget the environments and the demo's data
	rm -rf $(DEMO) $(DEV) $(DOCS) .venv-oldest .demo .vectorplane .coverage* .pytest_cache .mypy_cache .ruff_cache

$(DEMO)/.ready: constraints/demo.txt pyproject.toml
	@$(call environment,$(DEMO),constraints/demo.txt)

$(DEV)/.ready: constraints/dev.txt pyproject.toml
	@$(call environment,$(DEV),constraints/dev.txt)

# No code of ours is in it: the references are generated into docs/, and committed.
$(DOCS)/.ready: constraints/docs.txt
	@test -n "$(PYTHON)" || { echo "vectorplane needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	@echo "making $(DOCS) from $<"
	@rm -rf $(DOCS) && $(PYTHON) -m venv $(DOCS) && \
	$(DOCS)/bin/python -m pip install --quiet --require-hashes -r $< && touch $@

# A newer environment replaces an older one; the mark is set last, so a broken install is begun again.
define environment
test -n "$(PYTHON)" || { echo "vectorplane needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }; \
echo "making $(1) from $(2)"; \
rm -rf $(1) && $(PYTHON) -m venv $(1) && \
$(1)/bin/python -m pip install --quiet --require-hashes -r $(2) && \
$(1)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e . && \
touch $(1)/.ready
endef
