# Fuzzing: each tests/fuzz/fuzz_X.c is a libFuzzer program, with a corpus in tests/fuzz/corpus/X.
#   make fuzz TIME=60          all of them, for so many seconds in total; X=http1 only one
#   make fuzz-programs         only builds them: build/fuzz/fuzz_X
TIME ?= 60
FUZZ_CC    ?= clang
FUZZ_FLAGS := $(filter-out -Wjump-misses-init,$(WARN)) -Iinclude -Isrc -Itests/unit -D_GNU_SOURCE \
              -DRN_DEBUG -g -O1 -MMD -MP -fno-strict-aliasing -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

fuzz: fuzz-programs
	@tests/fuzz/run.py --seconds $(TIME) $(X)

fuzz-programs: $(FUZZ_PROGRAMS)

build/fuzz/%.o: src/%.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

build/fuzz/librunnel.a: $(patsubst src/%.c,build/fuzz/%.o,$(COMMON) $(HOSTED_ONLY) \
                        $(filter-out %/main.c,$(HTTPD)))
	@rm -f $@
	ar rcs $@ $^

build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c build/fuzz/librunnel.a
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< build/fuzz/librunnel.a -pthread

.PHONY: fuzz fuzz-programs
