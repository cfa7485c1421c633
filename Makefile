# The front door. CMake does the work; see CMakePresets.json.
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
PRODUCTS = nod-cmd nod-preload catalogues # and the libraries that these need

.PHONY: all build demo test tests conformance mutants bench-sockets bench-recovery packetdrill format install clean help

all: build

help:
	@echo "make demo     install what is missing, build, and watch a connection to the kernel"
	@echo "make test     the same with every test; the last line is the result"
	@echo "make conformance  the requirements' tests alone; writes doc/conformance.md"
	@echo "make mutants  breaks the code in each way of test/mutants: a test must notice"
	@echo "make bench-sockets  real programs on nod and on the kernel, compared; minutes"
	@echo "make bench-recovery  the same for loss, reordering and long paths; LONG=1 takes hours"
	@echo "make packetdrill  the object with which google's packetdrill drives nod; see contrib/"
	@echo "make build    release, in build/release"
	@echo "make install  PREFIX=$(PREFIX), DESTDIR is heeded"
	@echo "make format   clang-format over every C file"
	@echo "make clean    removes build/"

build:
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target $(PRODUCTS)

demo:
	@scripts/install-deps
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target $(PRODUCTS) >/dev/null || \
		cmake --build --preset release -j $(JOBS) --target $(PRODUCTS)
	@build/release/nod watch

test:
	@scripts/install-deps test
	@JOBS=$(JOBS) scripts/test

conformance: tests
	@JOBS=$(JOBS) scripts/conformance
	@JOBS=$(JOBS) scripts/mutants

mutants: tests
	@JOBS=$(JOBS) scripts/mutants

tests: # builds them
	@scripts/install-deps test
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS)

bench-sockets:
	@scripts/install-deps bench
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target $(PRODUCTS) bench-pingpong bench-connects
	@bench/sockets

bench-recovery: # LONG=1 CELLS='...' ROUNDS=n SEED=n KEEP=folder ...: see bench/recovery/run
	@scripts/install-deps bench
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target $(PRODUCTS) bench-traffic
	@bench/recovery/run

format:
	@find include src test fuzz bench contrib \( -name '*.c' -o -name '*.h' \) -print0 2>/dev/null | \
		xargs -0 clang-format -i

packetdrill:
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target nod-packetdrill
	@echo build/release/libnod-packetdrill.so

install:
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@cmake --build --preset release -j $(JOBS) --target $(PRODUCTS)
	@cmake --install build/release

clean:
	@rm -rf build
