# SPDX-License-Identifier: Apache-2.0
# Thin front of Meson: every target installs what is missing first and ends in bounded time.
BUILD ?= build
SEEDS ?= 500
MESON_FLAGS ?=
SETUP = tools/install-deps && tools/configure $(BUILD) $(MESON_FLAGS) && \
	tools/configure $(BUILD)/os --cross-file cross/aarch64-none.ini $(filter --prefix=%,$(MESON_FLAGS)) && \
	tools/configure $(BUILD)/aarch64 --cross-file cross/aarch64-linux.ini

.PHONY: help build demo test test-sim test-qemu bench fuzz lint clean install soak

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "  options: BUILD=dir  SEEDS=n (test-sim)  SECONDS_EACH=n (fuzz)"

build: ## install missing packages, compile everything
	@$(SETUP)
	@ninja -C $(BUILD) $(NINJA_FLAGS)
	@ninja -C $(BUILD)/os $(NINJA_FLAGS)
	@ninja -C $(BUILD)/aarch64 $(NINJA_FLAGS)

demo: build ## six tasks move, nodes die; then services: TMR, a bad update, breathing
	@tools/demo $(BUILD)
	@tools/demo-services $(BUILD)

test: ## every test: unit, sanitizers, simulation, fuzz corpora, end to end
	@tools/install-deps
	@tools/run-tests $(BUILD)

test-sim: build ## the cluster simulation with SEEDS=n seeds
	@$(BUILD)/tests/sim/axcan-sim --seeds $(SEEDS)

test-qemu: build ## Axcan OS in QEMU with counted instructions, both boards
	@AXCAN_BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q tests/qemu

bench: build ## measure; rewrites bench/README.md
	@bench/run $(BUILD)

fuzz: ## longer fuzzing of every parser (SECONDS_EACH, default 300)
	@tools/install-deps
	@tools/fuzz --seconds $${SECONDS_EACH:-300}

soak: build ## the long simulation (SEEDS=20000 and more), 24 virtual hours of Axcan OS
	@$(BUILD)/tests/sim/axcan-sim --seeds 20000
	@$(BUILD)/tests/sim/axcan-sim --services --seeds 5000
	@AXCAN_BUILD=$(abspath $(BUILD)) AXCAN_SOAK=1 /usr/bin/python3 -m pytest -q tests/qemu -k soak

lint: ## format, static analysis, layers
	@tools/install-deps
	@tools/lint $(BUILD)

install: build ## install binaries, the task SDK, units (DESTDIR, --prefix by MESON_FLAGS)
	@ninja -C $(BUILD) install
	@ninja -C $(BUILD)/os install

clean: ## remove build output
	rm -rf $(BUILD) $(BUILD)-*
