# Beeline's commands; `make` alone lists them. Most work with both engines: containers where a Docker engine answers, else
# the same services on this machine. ENGINE=local or ENGINE=docker forces one.

.DEFAULT_GOAL := help
.SILENT:
MAKEFLAGS += --no-builtin-rules --no-print-directory

SOURCES := $(shell find schema plugins services infra test -name '*.ts' -not -name '*.d.ts' 2>/dev/null | sort)
INSTALLED := node_modules/.package-lock.json

help: ## list the commands
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	echo '  settings: PORT=3000 HOST=127.0.0.1 DATA_DIR=.data ENGINE=local|docker; the rest is in .env.example'

up: ## start everything, wait until it is ready, print the addresses
	infra/stack.sh up

down: ## stop everything; the data stay
	infra/stack.sh down

clean: ## stop everything and delete its data
	infra/stack.sh clean

logs: ## show the last log lines (SERVICE=gateway for one, FOLLOW=1 to go on)
	infra/stack.sh logs

ps: ## show what runs, and how it is
	infra/stack.sh ps

sh: ## open a shell with the stack's settings (in a container: SERVICE=gateway)
	infra/stack.sh sh

psql: ## open the database's prompt (SQL="select 1" runs that)
	infra/stack.sh psql

prune: ## delete what old runs of this project left behind, nothing else
	infra/stack.sh prune

deps: ## start Postgres and Redis alone on this machine, for npm run dev
	infra/stack.sh deps

dev: build ## run both services with reload on edit, the gateway on port 5000
	npm run --silent dev

tls: ## make a self-signed certificate for nginx, for DOMAIN and this machine
	infra/stack.sh tls

migrate: ## bring the database to the latest structure (DOWN=1: one step back)
	infra/stack.sh migrate

seed: ## add the sample data that are missing
	infra/stack.sh seed

dead: ## list the jobs that gave up
	infra/stack.sh dead

user: ## make an account, or a link to another password (NAME=ada ROLE=operator; SHUT=1, OPEN=1)
	infra/stack.sh user

test: build ## run the whole test suite (TESTS=build/test/jobs.test.js for one file)
	infra/test.sh $(TESTS)

test-compose: build ## test the containers for real; needs a Docker engine
	node build/test/compose/run.js

api: build ## write the API description and its Postman collection
	node build/infra/postman/generate.js

lint: $(INSTALLED) ## check style, layers and types
	node_modules/.bin/biome check .
	node_modules/.bin/tsc -p . --noEmit

bench: build ## measure, and write docs/benchmarks.md
	node build/test/bench/run.js

chaos: build ## run the fault test (SUBMISSIONS=2000 SEEDS=1,2,3 MUTANT=…)
	node build/test/chaos/main.js

build: build/.done ## install and compile what has changed

$(INSTALLED): package-lock.json
	echo 'npm ci'
	npm ci --no-fund --no-audit --loglevel=error
	touch $@

build/.done: $(INSTALLED) tsconfig.json build/.sources $(SOURCES)
	echo 'compiling'
	node_modules/.bin/tsc -p .
	touch $@

# A removed source leaves its output behind: then the build begins anew.
build/.sources: always
	mkdir -p build
	echo '$(SOURCES)' | cmp -s - $@ || { rm -rf build && mkdir build && echo '$(SOURCES)' > $@; }

.PHONY: help up down clean logs ps sh psql prune deps dev tls migrate seed dead user test test-compose api lint bench chaos build always
