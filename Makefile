# Everything that a person or CI does with this repository. `make` alone lists it.

AGENT ?= ./my-agent
BINARY = .build/release/openagent
RELEASE = swift build -c release --static-swift-stdlib
SOURCES = Package.swift Sources Tests Benchmarks

.PHONY: help run build man test lint format bench chaos fuzz api-fuzz clean packages

help:
	@echo "make run      install what is missing, build, serve the agent in $(AGENT)"
	@echo "make build    build $(BINARY) and link it as bin/openagent"
	@echo "make man      write the manual's pages to man/"
	@echo "make test     everything that CI runs"
	@echo "make bench    measure (ONLY=proxy for a part)"
	@echo "make chaos    kill the server under its clients (ROUNDS=500, SEED= repeats one), examine it under load"
	@echo "make fuzz     attack the parsers (FUZZ_SECONDS=60 for each)"
	@echo "make api-fuzz  hold a served agent against its document (API_FUZZ_SECONDS=900, API_FUZZ_SEED=)"
	@echo "make format   rewrite the sources with the repository's style"
	@echo "make clean    remove what was built"

packages:
	@scripts/install-packages run

build: packages
	$(RELEASE) --product openagent
	@mkdir -p bin && ln -sf ../$(BINARY) bin/openagent

run: build
	@exec $(BINARY) serve $(AGENT)

# From the binary that tests use: making the pages needs no second optimised build.
man: packages
	swift package generate-manual --multi-page --configuration debug
	@rm -rf man && mkdir man && cp .build/plugins/GenerateManual/outputs/openagent/*.1 man/
	@echo "Read one with: man -l man/openagent.1"

lint:
	swift format lint --strict --recursive --parallel $(SOURCES)

test:
	scripts/install-packages test
	scripts/install-peers
	$(MAKE) lint
	$(MAKE) build
	swift build --build-tests
	$(MAKE) man
	@for page in man/*.1; do man --warnings --local-file "$$page" > /dev/null || exit 1; done
	scripts/test-swift
	Tests/Interop/run
	Tests/API/run

bench:
	scripts/install-packages bench
	$(RELEASE)
	ONLY="$(ONLY)" Benchmarks/run

chaos: ROUNDS ?= 500
chaos:
	scripts/install-packages test
	swift build --build-tests
	ROUNDS="$(ROUNDS)" SEED="$(SEED)" DOCTOR_RUNS=100 BRIDGE_ROUNDS=200 \
		scripts/test-swift --filter 'ChaosTests|DoctorLoadTests|TurnStepsTests'

fuzz:
	scripts/install-packages run
	FUZZ_SECONDS="$(FUZZ_SECONDS)" Tests/Fuzz/run

api-fuzz: API_FUZZ_SECONDS ?= 900
api-fuzz:
	scripts/install-packages test
	swift build --product openagent
	API_FUZZ_SECONDS="$(API_FUZZ_SECONDS)" API_FUZZ_SEED="$(or $(API_FUZZ_SEED),1)" API_FUZZ_EXAMPLES=500 Tests/API/run

format:
	swift format --in-place --recursive --parallel $(SOURCES)

clean:
	swift package clean
	rm -rf .build .build-fuzz bin man
