# Fault injection: the hosted httpd with a hook in each system call (tests/faults/hook.c), under ASan and UBSan.
#   make faults                every call of start and service fails once, with each plausible error
FAULTS_FLAGS := $(BASE) -D_GNU_SOURCE $(SAN_asan) -DRN_SYSCALL_HOOK

faults: build/faults/httpd
	@tests/faults/run.py --all

build/faults/httpd: $(patsubst src/%.c,build/faults/%.o,$(COMMON) $(LIBC_HOSTED) $(HTTPD)) build/faults/hook.o
	$(CC) $(FAULTS_FLAGS) -o $@ $^ -pthread

build/faults/hook.o: tests/faults/hook.c
	@mkdir -p $(@D)
	$(CC) $(FAULTS_FLAGS) -c -o $@ $<

build/faults/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(FAULTS_FLAGS) -c -o $@ $<

.PHONY: faults
