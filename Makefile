# make test   everything CI checks of behaviour: Rust and Python tests, documentation examples
# make demo   the main job on simulated data; leaves maps in demo/
# make lint   formatting, clippy, ruff, types, stub against binary
# make bench  ratios to peers and to the bandwidth floor, in one interleaved run
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUST := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)

.PHONY: install test test-rust test-python lint demo bench clean

install: $(STAMP)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(STAMP): $(BIN)/python pyproject.toml $(RUST)
	$(BIN)/python -m pip install --quiet "maturin>=1.9,<2"
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]" --config-settings=build-args="--profile release"
	touch $@

test: test-rust test-python

test-rust:
	cargo test --quiet --workspace --release

test-python: $(STAMP)
	$(BIN)/python -m pytest

lint: $(STAMP)
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets --release -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --workspace
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest kararaster._kernels --ignore-missing-stub

demo: $(STAMP)
	$(BIN)/kararaster demo --folder demo

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	$(BIN)/python benchmarks/compare.py --size 4096 --rounds 7 --readme README.md

clean:
	cargo clean
	rm -rf $(VENV) demo
