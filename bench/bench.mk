# What measures: the floor programs and the load generator, ordinary C with a libc.

BENCH_FLAGS := $(WARN) -Iinclude -Isrc -Ibench/floor -Ibench/load -D_GNU_SOURCE -g -O2 -MMD -MP -fno-strict-aliasing
bench_objects = $(patsubst %.c,build/bench/objects/%.o,$(1))

build/bench/objects/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_FLAGS) -c -o $@ $<

# A floor program is its own file and what the others share; the WebSocket handshake needs a digest of the library.
FLOOR := http-epoll http-uring ws-epoll ws-uring udp
FLOOR_SHARED := bench/floor/floor.c bench/floor/canned.c bench/floor/echo.c bench/floor/uring.c \
    src/proto/sha1.c src/proto/base64.c src/base/bytes.c
FLOOR_PROGRAMS := $(FLOOR:%=build/bench/floor-%)

LOAD := $(wildcard bench/load/*.c) src/proto/sha1.c src/proto/base64.c src/base/bytes.c

bench-programs: $(FLOOR_PROGRAMS) build/runnel-bench

.SECONDEXPANSION:
$(FLOOR_PROGRAMS): build/bench/floor-%: $$(call bench_objects,bench/floor/$$(subst -,_,$$*).c $(FLOOR_SHARED))
	$(CC) -o $@ $^

build/runnel-bench: $(call bench_objects,$(LOAD))
	$(CC) -o $@ $^ -lm

# tests/bench/test_X.c is a cmocka program for bench/load/X.c.
BENCH_TESTS := $(patsubst tests/bench/%.c,build/bench/tests/%,$(wildcard tests/bench/test_*.c))
bench-tests: bench-programs $(BENCH_TESTS)

build/bench/tests/test_%: tests/bench/test_%.c bench/load/%.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_FLAGS) $(SAN_asan) -o $@ $(filter %.c,$^) -lcmocka -lm

.PHONY: bench-tests

# The peers of which we write the server, where their library is there.
PEERS := $(if $(wildcard /usr/include/uv.h),build/bench/libuv-http) \
         $(if $(wildcard /usr/include/libwebsockets.h),build/bench/lws-echo)

bench-peers: $(PEERS)

build/bench/libuv-http: bench/peers/libuv_http.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_FLAGS) -o $@ $< -luv

build/bench/lws-echo: bench/peers/lws_echo.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_FLAGS) -o $@ $< -lwebsockets

# make bench-quick BENCH='--rows pipelined-16 --rounds 6' adds flags of bench/run.py.
BENCHES := bench bench-quick bench-http bench-static bench-conns bench-ws bench-idle
BENCH_FLAGS_bench := --write
BENCH_FLAGS_bench-quick := --quick

$(BENCHES): all bench-programs
	@bench/install
	@$(MAKE) --no-print-directory -k bench-peers || true
	@/usr/bin/python3 bench/run.py $(or $(BENCH_FLAGS_$@),$(@:bench-%=%)) $(BENCH)

# What becomes of the served when more is asked than can be: docs/OVERLOAD.md.
overload: all build/runnel-bench
	@/usr/bin/python3 bench/overload.py $(OVERLOAD)

.PHONY: bench-programs bench-peers overload $(BENCHES)

# What single calls cost.
include $(wildcard bench/micro*.mk)
