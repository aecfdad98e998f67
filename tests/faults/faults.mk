# Fault injection: httpd with a hook in each system call (tests/faults/hook.c), hosted under ASan and UBSan, which
# can't be in the sandbox, and freestanding in the sandbox, with UBSan's traps.
#   make faults                every call of start and service fails once, with each plausible error
FAULTS_FREE := $(patsubst src/%.c,build/faults/free/%.o,$(COMMON) $(HTTPD) $(LIBC_FREE)) build/faults/free/hook.o
FAULTS_HOSTED := $(patsubst src/%.c,build/faults/asan/%.o,$(COMMON) $(HTTPD) $(HOSTED_ONLY)) build/faults/asan/hook.o
FAULTS_ASAN_FLAGS := $(BASE) -D_GNU_SOURCE -DRN_SYSCALL_HOOK $(SAN_asan)
FAULTS_FREE_FLAGS := $(filter-out -Os $(ALIKE),$(FREE)) -DRN_SYSCALL_HOOK -O1 -DRN_DEBUG \
                     -fsanitize=undefined -fsanitize-undefined-trap-on-error

faults: faults-programs
	@tests/faults/run.py --all

faults-programs: build/faults/asan/httpd build/faults/free/httpd

build/faults/asan/wget: $(patsubst src/%.c,build/faults/asan/%.o,$(COMMON) $(call program,wget) $(HOSTED_ONLY)) \
                        build/faults/asan/hook.o
build/faults/asan/httpd: $(FAULTS_HOSTED)
build/faults/asan/httpd build/faults/asan/wget:
	$(CC) $(FAULTS_ASAN_FLAGS) -o $@ $^ -pthread

build/faults/free/httpd: $(FAULTS_FREE)
	$(CC) $(FAULTS_FREE_FLAGS) $(LINK) -o $@ $^

build/faults/asan/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(FAULTS_ASAN_FLAGS) -c -o $@ $<

build/faults/free/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(FAULTS_FREE_FLAGS) -fno-builtin -fno-tree-loop-distribute-patterns -c -o $@ $<

build/faults/asan/hook.o: tests/faults/hook.c
	@mkdir -p $(@D)
	$(CC) $(FAULTS_ASAN_FLAGS) -c -o $@ $<

build/faults/free/hook.o: tests/faults/hook.c
	@mkdir -p $(@D)
	$(CC) $(FAULTS_FREE_FLAGS) -c -o $@ $<

.PHONY: faults faults-programs
