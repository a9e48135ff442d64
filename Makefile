# make demo       rehearse everything on this host, and print where to look
# make demo-down  take the rehearsal away again
# make test       everything that CI runs
# make check      formatting, lints and the tests that need neither root nor machines: quick, for every change
# make bench      what the work takes in calls, time and memory: the tables of bench/README.md
# make build      the programs, in target/debug

# Rust's installer puts cargo here; a shell that was open before does not know it yet.
export PATH := $(HOME)/.cargo/bin:$(PATH)

# One selection of packages for everything: another one would have other features, and compile the dependencies again.
WORKSPACE := --locked --workspace

.PHONY: demo demo-down test check bench build setup setup-test

demo: setup build
	scripts/demo.sh

demo-down:
	scripts/demo.sh --down

build:
	cargo build $(WORKSPACE) --bins

check:
	cargo fmt --all --check
	cargo clippy $(WORKSPACE) --all-targets -- -D warnings
	cargo test $(WORKSPACE) --lib --bins

test: setup-test
	scripts/test.sh

bench:
	CARGO_PROFILE_DEV_OPT_LEVEL=2 cargo build $(WORKSPACE) --bins --example bench --example numbers
	target/debug/examples/bench
	target/debug/examples/numbers
	[ "$$(id -u)" != 0 ] || target/debug/examples/numbers machines

setup:
	scripts/host-setup.sh demo

setup-test:
	scripts/host-setup.sh test
