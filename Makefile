# A front for meson and ninja. Every target first installs what it lacks (tools/packages, package.json), as root or through sudo.
PREFIX ?= /usr/local
.DEFAULT_GOAL := build
.PHONY: build demo test asan fuzz torture bench lint format install help clean

build:            ## build/mayfly
	@tools/dependencies build
	@tools/build build

demo:             ## deploys two real models, calls them, watches them vanish and come back
	@tools/dependencies build demo node
	@tools/build build
	@/usr/bin/python3 tools/demo

test:             ## everything within 25 minutes; T=name selects by part of a suite's or test's name
	@tools/dependencies build test demo node
	@/usr/bin/python3 tools/test $(if $(T),--select '$(T)')

asan:             ## the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/dependencies build test node
	@/usr/bin/python3 tools/test --select 'asan'

fuzz:             ## F=name SECONDS=600: one fuzzer; without F each of them in turn
	@tools/dependencies build test
	@/usr/bin/python3 tools/fuzz $(if $(F),--only '$(F)') --seconds $(or $(SECONDS),600)

torture:          ## ROUNDS=200: kill -9 of worker, front or keeper at random moments under load
	@tools/dependencies build test
	@tools/build build
	@/usr/bin/python3 tools/torture --rounds $(or $(ROUNDS),200)

bench:            ## the figures beside their targets, into build/bench.json; B=host, B=lambda or B=engine runs one group
	@tools/dependencies build test node
	@tools/build build
	@/usr/bin/python3 bench/run $(B)

lint:             ## include graph, clang-tidy
	@tools/dependencies build lint
	@/usr/bin/python3 tools/check-includes
	@/usr/bin/python3 tools/check-unused
	@tools/build build-clang
	@/usr/bin/python3 tools/lint

format:           ## clang-format over the sources
	@tools/dependencies lint
	@git ls-files '*.c' '*.h' '*.inc' | xargs clang-format -i

install: build    ## PREFIX=/usr/local
	@install -D -m 755 build/mayfly '$(DESTDIR)$(PREFIX)/bin/mayfly'
	@echo "== installed $(DESTDIR)$(PREFIX)/bin/mayfly"

clean:
	@rm -rf build build-clang build-asan build-fuzz

help:             ## this list
	@sed -n 's/^\([a-z]*\): *[a-z]* *## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20
