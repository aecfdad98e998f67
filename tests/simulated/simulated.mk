# The calls of a test to its libc that go to the machine under it, which may be a world (tests/simulated).
CALLS := accept accept4 bind chmod close closedir connect dup fcntl ftruncate getpeername getrlimit getsockname \
         getsockopt listen lseek lstat memfd_create mkdir mkdtemp mkfifo mknod mkstemp nanosleep open opendir pipe \
         pipe2 poll pread pthread_create pthread_join pthread_tryjoin_np pwrite read readdir recv recvfrom rename \
         rmdir sched_yield send sendto setrlimit setsockopt shutdown socket socketpair stat symlink system time \
         umask unlink unlinkat usleep utimensat write _cmocka_run_group_tests
WORLDS := $(patsubst tests/simulated/%.c,$(HOUT)/simulated/%.o,$(wildcard tests/simulated/*.c))
WRAPPED := -Itests/simulated $(CALLS:%=-Wl,--wrap=%)

$(HOUT)/simulated/%.o: tests/simulated/%.c
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -Itests/simulated -c -o $@ $<

$(HOUT)/tests/conformance: $(wildcard tests/conformance/*.c) $(WORLDS) $(HOUT)/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(HOSTED) $(WRAPPED) -o $@ $(filter tests/conformance/%.c %.o %.a,$^) -lcmocka -pthread

# A unit test whose tests run in worlds.
$(HOUT)/simulated/test_%: tests/unit/test_%.c $(WORLDS) $(HOUT)/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -DSIMULATED $(WRAPPED) -o $@ $(filter tests/unit/%.c %.o %.a,$^) -lcmocka -pthread
