# Runnel. Needs gcc and make; `make test` installs what else the tests use.
#
#   make                the programs, freestanding: build/httpd, build/wget
#   make run            build, then serve the demo on port 8000
#   make ARCH=aarch64   the same for 64-bit ARM: build/aarch64/httpd (cross compiler: gcc-aarch64-linux-gnu)
#   make DEBUG=1        assertions and UBSan traps on, symbols kept: build/debug/httpd
#   make lib            build/hosted/librunnel.a for programs that link with a libc
#   make test           everything; T=unit|tidy|conformance|http|ws|stress|browser|concurrent runs one part

HOST  := $(shell uname -m)
ARCH  ?= $(HOST)
CROSS := $(if $(filter $(HOST),$(ARCH)),,$(ARCH)-linux-gnu-)
ifeq ($(origin CC),default)
CC := gcc
endif
FREE_CC := $(CROSS)$(CC)
OUT   := build$(if $(filter $(HOST),$(ARCH)),,/$(ARCH))$(if $(DEBUG),/debug)
STRIP := $(CROSS)strip

WARN := -std=gnu17 -Wall -Wextra -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla \
        -Wjump-misses-init -Wno-unused-parameter $(WERROR)
BASE := $(WARN) -Iinclude -Isrc -g -MMD -MP -fno-strict-aliasing

# Sources: everything under src/ but the programs; the part that stands in for a libc, and its hosted twin; the
# simulator, which only hosted builds have.
LIBC_FREE   := $(wildcard src/sys/free_*.c)
LIBC_HOSTED := src/sys/hosted.c
HOSTED_ONLY := $(LIBC_HOSTED) $(wildcard src/backend/sim*.c)
COMMON := $(filter-out $(LIBC_FREE) $(HOSTED_ONLY),$(wildcard src/http/*.c src/net/*.c src/backend/*.c \
          src/core/*.c src/proto/*.c src/sys/*.c src/base/*.c))
PROGRAMS := httpd wget
program = $(wildcard src/app/$(1)/*.c src/app/*.c)
HTTPD := $(call program,httpd)

# Code of which more is alike packs better: these cost no instructions worth measuring.
ALIKE := $(if $(findstring clang,$(FREE_CC)),,-fno-schedule-insns2 -fno-tree-sra -fno-if-conversion \
         -fno-guess-branch-probability -fno-tree-dominator-opts -fno-caller-saves -fno-cse-follow-jumps \
         -fno-shrink-wrap -fno-tree-tail-merge -fno-ipa-sra -fno-jump-tables -fno-expensive-optimizations \
         -fno-inline-small-functions -fno-move-loop-invariants -fno-tree-forwprop \
         -fno-ira-hoist-pressure -fno-code-hoisting)
# The unpacker: as small as it gets without being slower.
UNPACK := $(if $(findstring clang,$(FREE_CC)),,-fno-tree-ter -fno-thread-jumps -fno-move-loop-invariants)
# Freestanding: no libc, one static binary. The files that define what the compiler itself calls stay out of LTO.
# The stack protector's canary is where src/sys/free_start.c puts it, and indirect calls land on marked instructions.
HARDEN_x86_64  := -mstack-protector-guard-offset=8 -fcf-protection=branch
HARDEN_aarch64 := -mbranch-protection=standard -mno-outline-atomics
FREE := $(BASE) -DRN_FREESTANDING -ffreestanding -fpie -fno-asynchronous-unwind-tables -fno-unwind-tables \
        -fstack-protector-strong $(HARDEN_$(ARCH)) -ffunction-sections -fdata-sections -fno-math-errno
FREE += $(if $(DEBUG),-O1 -DRN_DEBUG -fsanitize=undefined -fsanitize-undefined-trap-on-error,-Os -fno-ident $(ALIKE))
LTO  := $(if $(DEBUG),,-flto=auto -flto-partition=none -fno-fat-lto-objects)
LINK := -nostdlib -static-pie -T src/sys/free.ld -Wl,--no-dynamic-linker,--gc-sections,--build-id=none -z relro \
        -z noexecstack $(if $(filter x86_64,$(ARCH)),-z pack-relative-relocs)

free = $(patsubst src/%.c,$(OUT)/free/%.o,$(1))

all: $(PROGRAMS:%=$(OUT)/%)

# httpd.debug has the symbols (README: gdb); stripped it is httpd.plain; packed, with the unpacker in
# front, it is httpd, and so for each program. DEBUG=1 and PACK=0 leave it plain.
PACK ?= $(if $(DEBUG),0,1)
PACK_FLAGS := $(WARN) -fno-strict-aliasing $(if $(filter aarch64,$(ARCH)),-DPACK_AARCH64)

.SECONDEXPANSION:
$(PROGRAMS:%=$(OUT)/%.debug): $(OUT)/%.debug: $$(call free,$(COMMON) $$(call program,$$*) $(LIBC_FREE)) src/sys/free.ld
	@mkdir -p $(@D)
	$(FREE_CC) $(FREE) $(LTO) $(LINK) -o $@ $(filter %.o,$^)

$(OUT)/%.plain: $(OUT)/%.debug
	$(if $(DEBUG),cp $< $@,$(STRIP) -s -o $@ $<)

$(OUT)/pack: pack/pack.c pack/model.h
	@mkdir -p $(@D)
	$(CC) $(PACK_FLAGS) -O2 -o $@ $<

$(OUT)/%.packed: $(OUT)/%.plain $(OUT)/pack
	$(OUT)/pack $< $@

ifeq ($(PACK),0)
$(PROGRAMS:%=$(OUT)/%): %: %.plain
	cp $< $@
else
$(PROGRAMS:%=$(OUT)/%): %: pack/unpack.c pack/unpack.ld pack/model.h %.packed
	$(FREE_CC) $(filter-out $(ALIKE),$(FREE)) $(PACK_FLAGS) $(UNPACK) -fno-builtin -fno-stack-protector \
	    -DPACKED='"$@.packed"' -DLAYOUT='"$@.packed.h"' -I. $(LINK:src/sys/free.ld=pack/unpack.ld) -s -MF $@.d -o $@ $<
	$(OUT)/pack $@
endif

$(OUT)/free/sys/free_%.o: src/sys/free_%.c
	@mkdir -p $(@D)
	$(FREE_CC) $(FREE) -fno-lto -fno-builtin $(if $(findstring clang,$(FREE_CC)),,-fno-tree-loop-distribute-patterns) -c -o $@ $<

$(OUT)/free/%.o: src/%.c
	@mkdir -p $(@D)
	$(FREE_CC) $(FREE) $(LTO) -c -o $@ $<

run: all
	./$(OUT)/httpd

# Hosted: an ordinary static library. The tests link one built with sanitizers (SAN=asan by default, or tsan, none);
# SAN=sim is the one whose system calls go through a hook, for the simulator.
SAN ?= none
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -DRN_DEBUG -O1
SAN_tsan := -fsanitize=thread -Wno-tsan -DRN_DEBUG -O1
SAN_sim := -DRN_SYSCALL_HOOK -DRN_DEBUG -O2
SAN_simasan := -DRN_SYSCALL_HOOK $(SAN_asan)
SAN_none := -O2
HOUT := build/hosted$(if $(filter-out none,$(SAN)),-$(SAN))
HOSTED := $(BASE) -D_GNU_SOURCE -fPIC $(SAN_$(SAN))
hosted = $(patsubst src/%.c,$(HOUT)/%.o,$(1))

lib: $(HOUT)/librunnel.a

$(HOUT)/librunnel.a: $(call hosted,$(COMMON) $(HOSTED_ONLY))
	@rm -f $@
	ar rcs $@ $^

$(PROGRAMS:%=$(HOUT)/%): $(HOUT)/%: $$(call hosted,$$(call program,$$*)) $(HOUT)/librunnel.a
	$(CC) $(HOSTED) -o $@ $^ -pthread

$(HOUT)/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -c -o $@ $<

# One program over src/base and src/sys that must say the same with a libc, without one, and on every architecture.
SYS := $(filter-out $(LIBC_FREE) $(LIBC_HOSTED),$(wildcard src/base/*.c src/sys/*.c))

$(OUT)/tests/both: tests/sys/both.c $(call free,$(SYS) $(LIBC_FREE))
	@mkdir -p $(@D)
	$(FREE_CC) $(FREE) $(LTO) $(LINK) -o $@ $(filter %.c %.o,$^)

$(HOUT)/tests/both: tests/sys/both.c $(call hosted,$(SYS) $(LIBC_HOSTED))
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -o $@ $(filter %.c %.o,$^) -pthread

sys-test:
	@tests/sys/run.sh

# Tests: tests/unit/test_X.c is a cmocka program each; tests/conformance/*.c make one program.
UNIT := $(patsubst tests/unit/%.c,$(HOUT)/tests/%,$(wildcard tests/unit/test_*.c))
unit: $(UNIT) $(if $(wildcard tests/conformance/*.c),$(HOUT)/tests/conformance)

$(HOUT)/tests/%: tests/unit/%.c $(HOUT)/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -o $@ $< $(HOUT)/librunnel.a -lcmocka -pthread

include bench/bench.mk package/package.mk examples/examples.mk

test:
	@tests/run $(T)

clean:
	rm -rf build

# Rules of the larger areas: fuzzing, model tests, mutants, faults, ...
-include $(wildcard tests/*/*.mk)

.PHONY: all run lib unit sys-test test clean
.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)
