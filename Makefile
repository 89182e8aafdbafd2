# Every target does its own set-up: a Python environment in .venv, and what tests need of Debian's.
PYTHON_IN := .venv/bin/python
# Small matrices on a busy machine: threads of OpenBLAS only wait for one another.
export OPENBLAS_NUM_THREADS := 1

.PHONY: help demo federated-demo test check fix bench kills crash-points fleet power-cuts board-services soak flower flower-bench firmware bridge-fuzz bridge-sizes setup system toolchains

help:
	@echo "make demo    build three models, run them on the daemon, and show what subscribers got"
	@echo "make federated-demo   five boards that learn together, and what comes of it"
	@echo "make test    run every test"
	@echo "make check   format, lint, types, imports and every test: what CI runs"
	@echo "make fix     repair what a machine can"
	@echo "make bench   measure; DATA=folder names the real models and data"
	@echo "make kills, crash-points, fleet, power-cuts, soak, flower, firmware, bridge-fuzz   the heavier checks"

demo: setup system
	@$(PYTHON_IN) -m tools.demo

test: setup system toolchains
	$(PYTHON_IN) -m pytest

federated-demo: setup system
	@$(PYTHON_IN) -m tools.federated_demo

check: setup system toolchains
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON_IN) -m pytest

fix: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: setup system
	$(PYTHON_IN) -m tools.bench.run $(if $(DATA),--data $(DATA))

# Heavier checks, each a few minutes: outbox under kills and outages, updates under power cuts at every write.
kills: setup system
	$(PYTHON_IN) -m tools.kills

crash-points: setup
	$(PYTHON_IN) -m tools.crash_points

# 1,000 simulated boards, a bad bundle and a good one, servers restarted midway.
fleet: setup system
	$(PYTHON_IN) -m tools.fleet --boards 1000

# Power cuts on an emulated board; builds it first, which takes a while.
power-cuts: setup
	$(PYTHON_IN) -m tools.power_cuts --cuts 20

# systemd's part on the same board: watchdog, restarts, falling back from code that does not come up.
board-services: setup
	$(PYTHON_IN) -m tools.power_cuts.services

# An hour of harm: BUNDLE=folder VIDEO=file OUT=folder
soak: setup system
	$(PYTHON_IN) -m tools.soak --bundle $(BUNDLE) --video $(VIDEO) --out $(OUT)

# A real Flower SuperLink with two SuperNodes, and what they cost; in an environment of their own.
flower: setup
	@tools/flower_app/venv.sh
	.cache/flower/bin/python -m pytest tests/federated/flower

flower-bench: setup
	@tools/flower_app/venv.sh
	.cache/flower/bin/python -m tools.bench.flower $(if $(MQTT),--mqtt $(MQTT))

# Example firmware on both emulated machines, killed at any moment, and what it costs.
firmware: setup system toolchains
	EDGEKIT_KILLS=40 EDGEKIT_MACHINES="mps2-an385 mps2-an386" $(PYTHON_IN) -m pytest \
		tests/firmware_bridge/test_firmware.py tests/firmware_bridge/test_firmware_daemon.py tests/firmware_bridge/test_firmware_glue.py
	$(PYTHON_IN) -m tools.bench.firmware

# The C library's parser under libFuzzer, for SECONDS; and what the library weighs.
bridge-fuzz: toolchains
	tools/bridge_fuzz.sh $(or $(SECONDS),600)

bridge-sizes: setup toolchains
	$(PYTHON_IN) -m tools.bridge_sizes

setup:
	@tools/setup.sh

system:
	@tools/apt.sh mosquitto openssl systemd strace openssh-server openssh-client \
		gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-base gstreamer1.0-plugins-ugly

# For code of microcontrollers: 1.5 GB.
toolchains:
	@tools/apt.sh gcc g++ make clang libclang-rt-14-dev gcc-arm-none-eabi libnewlib-arm-none-eabi gcc-avr avr-libc qemu-system-arm socat
