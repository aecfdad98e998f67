# make bench-micro: what a task, a wake, a switch, a message and a timer cost; libuv beside it at what it has. libdill is
# not in Debian, so it is left out.
MICRO := build/bench/micro $(if $(wildcard /usr/include/uv.h),build/bench/libuv-micro)

build/bench/micro: bench/micro.c $(HOUT)/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(BENCH_FLAGS) -o $@ $(filter %.c %.a,$^) -pthread

build/bench/libuv-micro: bench/peers/libuv_micro.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_FLAGS) -o $@ $< -luv

bench-micro: $(MICRO)
	@for program in $(MICRO); do $$program || exit; done
	@[ -e /usr/include/uv.h ] || echo "left out: libuv: not installed (libuv1-dev)"
	@echo "left out: libdill: not in Debian"

.PHONY: bench-micro
