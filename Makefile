# make demo        set up what it needs and run the main job: a trained quadruped policy walking, through ROS 2 nodes
# make test        set up with everything and run the tests
# make test-slow   the tests that take longer than a minute each
# make check       formatting, lint and types only
# make bench-env   a second environment, .bench-venv, for Meta-World, gym-aloha and gym-pusht, which need MuJoCo 3.8
# All are re-runnable; nothing outside .venv, .bench-venv and outputs/ is written, except system libraries when run as root.

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
BENCH := .bench-venv
PYTHON ?= $(shell for p in python3.12 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null && command -v $$p && break; done)

# A sourced ROS 2 would leak its own rclpy into the virtual environment; it is left alone.
unexport PYTHONPATH AMENT_PREFIX_PATH COLCON_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH ROS_DISTRO

# What the wheels need from the system: off-screen OpenGL (MuJoCo renders with EGL or OSMesa). Everything also needs
# a compiler (PyBullet has no wheel for Python 3.12), and X11 and libusb (Open3D links against them).
DEMO_PACKAGES := libegl1 libgl1 libosmesa6 libgomp1
SYSTEM_PACKAGES := $(DEMO_PACKAGES) build-essential libx11-6 libusb-1.0-0
# A test looks at the report in a browser; it is skipped where the distribution has no such package.
test test-slow: TEST_PACKAGES := chromium-headless-shell

.PHONY: demo test test-slow check setup bench-env system clean

# Where everything is installed, the demo has what it needs.
demo: SYSTEM_PACKAGES := $(DEMO_PACKAGES)
demo: system $(or $(wildcard $(VENV)/.installed),$(VENV)/.demo)
	$(call step,walking,$(BIN)/robot-policies demo --out outputs/demo)

# Two at a time; tests/conftest.py says which of them.
test: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup

test-slow: setup
	$(BIN)/python -m pytest -m slow

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

setup: system $(VENV)/.installed

bench-env: system $(BENCH)/.installed

# $(call step,WHAT,COMMAND): run a command and say how long it took
define step
	@echo "== $(1)"; begin=$$SECONDS; $(2) && echo "== $(1): $$((SECONDS - begin)) s"
endef

# $(call environment,FOLDER)
define environment
	@test -n "$(PYTHON)" || { echo "Python 3.12 not found; install it, or call 'make PYTHON=/path/to/python3.12'" >&2; exit 1; }
	$(call step,virtual environment,{ test -x $(1)/bin/python || $(PYTHON) -m venv $(1); })
endef

# $(call install,FOLDER,CONSTRAINTS,REQUIREMENTS)
define install
	$(call environment,$(1))
	$(call step,pip,$(1)/bin/python -m pip install --quiet --upgrade -c $(2) pip setuptools wheel)
	$(call step,packages,$(1)/bin/python -m pip install --quiet -c $(2) $(3))
	@touch $(1)/.installed
endef
comma := ,
EVERYTHING := -e '.[all,test]'
BENCHMARKS := -e '.[learn,data,bench]' pytest

$(VENV)/.demo: setup.py constraints.txt
	$(call environment,$(VENV))
	$(call step,ROS 2,$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[ros]')
	$(call step,simulator$(comma) policy and viewer,$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[demo]')
	@touch $@

$(VENV)/.installed: setup.py constraints.txt
	$(call install,$(VENV),constraints.txt,$(EVERYTHING))

$(BENCH)/.installed: setup.py $(BENCH)/constraints.txt
	$(call install,$(BENCH),$(BENCH)/constraints.txt,$(BENCHMARKS))

$(BENCH)/constraints.txt: constraints.txt constraints-bench.txt
	mkdir -p $(BENCH)
	{ grep -v '^mujoco' constraints.txt; cat constraints-bench.txt; } > $@

system:
	@command -v dpkg-query >/dev/null || exit 0; \
	absent() { for p in "$$@"; do \
		dpkg-query -W -f '$${db:Status-Abbrev}' $$p 2>/dev/null | grep -q '^.i' || echo $$p; done | xargs; }; \
	missing=$$(absent $(SYSTEM_PACKAGES)); wished=$$(absent $(TEST_PACKAGES)); \
	test -z "$$missing$$wished" && exit 0; begin=$$SECONDS; \
	if [ $$(id -u) = 0 ]; then echo "== system libraries"; apt-get update -qq; \
		for p in $$wished; do apt-cache show $$p >/dev/null 2>&1 && missing="$$missing $$p"; done; \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null && \
		echo "== system libraries: $$((SECONDS - begin)) s"; \
	elif [ -n "$$missing" ]; then echo "missing system packages; install them with:" >&2; \
		echo "  sudo apt-get install -y $$missing" >&2; exit 1; fi

clean:
	rm -rf $(VENV) $(BENCH) build outputs *.egg-info
