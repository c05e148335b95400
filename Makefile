# What a person, or CI, does with this package. Each target installs what it needs first (Scripts/prepare).

.DEFAULT_GOAL := help

# How many tests run at the same time. Most wait for a database, so more than there are cores; not so many that each one's
# deadlines are spent waiting for the others.
TESTS_AT_ONCE ?= 4
# The part of their names that selects mutants; all of them by default.
ONLY ?=
.PHONY: help prepare demo test explore simulate chaos mutants fuzz format lint docs bench

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

prepare:
	@Scripts/prepare

demo: prepare ## Move a fleet of running workloads from one cluster to another, and back, on this machine
	@swift build -c debug
	@.build/debug/failoverctl demo

# One process a target: the exit tests of one would otherwise watch over, and wait for, the child processes of another.
test: prepare ## Run all tests, on PostgreSQL servers that they start themselves
	@swift build --build-tests
	@for target in $$(ls Tests); do \
	  echo "== $$target"; \
	  SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=$(TESTS_AT_ONCE) \
	    swift test --skip-build --disable-xctest --filter "^$$target\\." || exit 1; \
	done

explore: prepare ## Walk through the states that small failovers can reach, and check each
	@swift build -c release --product prove >&2
	@.build/release/prove explore

# How many failovers are simulated.
SEEDS ?= 5000

simulate: prepare ## Run SEEDS=5000 failovers in virtual time with everything going wrong, and check each
	@swift build -c release --product prove >&2
	@.build/release/prove simulate --seeds $(SEEDS)

# How long faults are injected, and what decides which; chance decides without a seed.
chaos: SECONDS ?= 120
SEED ?=

chaos: prepare ## Break a running fleet for SECONDS=120, and check that every promise was kept (SEED=N repeats the faults)
	@for product in navigatord pilotd failoverctl chaos; do swift build -c debug --product $$product >&2 || exit 1; done
	@.build/debug/chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

format: ## Format all sources in place
	@Scripts/format

lint: ## Check format, documentation of public declarations, and the rules of Scripts/tidy
	@Scripts/lint

docs: prepare ## Build the DocC documentation into .docs/, warnings as errors
	@Scripts/docs

bench: prepare ## Run the benchmarks, on a PostgreSQL server that they start themselves
	@Scripts/bench

# How long each fuzzer runs.
fuzz: SECONDS ?= 30
fuzz: prepare ## Fuzz what reads bytes from outside, SECONDS=30 for each target
	@Scripts/fuzz $(SECONDS)

mutants: prepare ## Plant faults, one at a time, and see a check go red for each; ONLY=name for some
	@swift run -q mutants $(ONLY)
