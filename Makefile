# What people run; `make verify` is the gate that every change passes.

.PHONY: run verify test fix clients bench fuzz sim chaos deploy

run: ## a node on this machine
	cargo run --release -- server

verify: ## formatting, lints, tests, official clients
	.ci/run

test: ## what needs only Rust
	cargo test

fix: ## formatting, and what clippy can repair
	cargo fmt
	cargo clippy --all-targets --fix --allow-dirty --allow-staged

clients: ## the official clients of other languages against a release build
	cargo build --release
	tests/clients/run

bench: ## this server beside a bare gRPC server, as ratios
	cargo bench --bench floor

fuzz: ## what reads bytes from outside, for a minute each; needs a nightly compiler and cargo-fuzz
	cd fuzz && cargo run --bin seeds && cargo +nightly fuzz run payload -- -max_total_time=60 \
		&& cargo +nightly fuzz run body -- -max_total_time=60 \
		&& cargo +nightly fuzz run ack -- -max_total_time=60 \
		&& cargo +nightly fuzz run http -- -max_total_time=60 \
		&& cargo +nightly fuzz run frame -- -max_total_time=60

SEEDS ?= 1000
FROM ?= 1
sim: ## a simulated cluster under faults: so many seeds from there on
	SEEDS=$(SEEDS) FROM=$(FROM) cargo test --release --test sim many -- --ignored --nocapture

DURATION ?= 1h
SEED ?= 1
chaos: ## a cluster of processes under load and all faults, and a verdict
	cargo build --release
	target/release/roster chaos --duration $(DURATION) --seed $(SEED)

deploy: ## what deploy/ holds: read by what will read it, and run on network namespaces, as root
	cargo build --release
	deploy/check
	deploy/namespaces
