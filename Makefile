# Two commands carry everything: `make run` and `make test`. Both install what is missing, once.
.DEFAULT_GOAL := help
.PHONY: help run test check setup screenshots release bench-browser bench-gateway soak valkey

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

run: ## Build and serve on http://localhost:3000, with the embedded provider on http://127.0.0.1:3001
	@scripts/run.sh

test: ## Everything that must hold; ends with "N passed, N failed"
	@scripts/test.sh

check: ## The quick half of `make test`: formatting and clippy
	@scripts/test.sh --only 'format|clippy'

setup: ## Install what `make run` and `make test` need, without doing either
	@scripts/setup.sh run
	@scripts/setup.sh test

release: ## What goes to production, into dist/: server without the embedded provider, site, example configuration
	@scripts/release.sh

bench-browser: ## Signing in beside React and by hand, on a slow network: the table of docs/performance.md, about 25 minutes
	@scripts/bench-browser.sh

bench-gateway: ## Calls through the gateway beside nginx and HAProxy: the table of docs/performance.md, about three minutes
	@scripts/bench-gateway.sh

soak: ## Ten minutes of slow clients, floods and outages around valid callers; SOAK_SECONDS=60 for less
	@scripts/soak.sh

valkey: ## The tests of DPoP proofs in Valkey, which `make test` leaves out; needs valkey-server or redis-server
	@scripts/test.sh --only 'DPoP proofs in Valkey'

screenshots: ## Pictures of every page into end2end/screenshots, phone to desktop, dark and light
	@scripts/test.sh --only 'build: |screenshots'
