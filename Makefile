# Everything a person types. The recipes live in packaging/*.sh, each readable on its own.
#
#   make run                        build and start on https://127.0.0.1:8443, or a free port
#   make run LISTEN='[::]:8443'     open it to the network
#   make test                       all that CI tests
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := run
.PHONY: run test test-long audit package bench prerequisites check

WITH_RUST := . packaging/environment.sh &&

run:
	@LISTEN='$(LISTEN)' DATA='$(DATA)' PROFILE='$(PROFILE)' packaging/run.sh $(ARGS)

test:
	@packaging/test.sh

# Hours: many seeds, many kills, every planted bug, the release built twice.
test-long:
	@packaging/test-long.sh

# Quick checks without tests: format, lints, boundaries.
check:
	@.ci/check

# Advisories too; needs the network to fetch their database.
audit:
	@packaging/cargo-deny.sh
	@$(WITH_RUST) cargo deny --workspace --locked check --hide-inclusion-graph

# Static binaries with checksums in artefacts/package.
package:
	@packaging/prerequisites.sh build
	@$(WITH_RUST) cargo xtask package

bench:
	@packaging/prerequisites.sh build
	@$(WITH_RUST) cargo xtask bench $(ARGS)

# Installs what is missing, or prints the line that does.
prerequisites:
	@packaging/prerequisites.sh test
