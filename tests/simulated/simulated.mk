# The calls of a test to its libc that go to the kernel under it (tests/simulated/libc.c): those that simulated/threads.c
# answers are apart.
CALLS := accept accept4 bind chmod close closedir connect dup fcntl ftruncate getpeername getrlimit getsockname \
         getsockopt listen lseek lstat memfd_create mkdir mkdtemp mkfifo mknod mkstemp nanosleep open opendir pipe \
         pipe2 poll pread pwrite read readdir recv recvfrom rename rmdir sched_yield send sendto setrlimit \
         setsockopt shutdown socket socketpair stat symlink system time umask unlink unlinkat usleep utimensat \
         write
WRAPPED := -Itests/simulated $(CALLS:%=-Wl,--wrap=%)
KERNEL := tests/simulated/kernel.c tests/simulated/libc.c

$(HOUT)/tests/conformance: $(wildcard tests/conformance/*.c) $(KERNEL) $(HOUT)/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(HOSTED) $(WRAPPED) -o $@ $(filter %.c,$^) $(HOUT)/librunnel.a -lcmocka -pthread

# Unit tests again, in worlds (SAN=sim).
THREADS := pthread_create pthread_join pthread_tryjoin_np rn_thread_start rn_thread_join _cmocka_run_group_tests
$(HOUT)/simulated/%.o: tests/simulated/%.c
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -Itests/simulated -c -o $@ $<

$(HOUT)/simulated/test_%: tests/unit/test_%.c $(patsubst %.c,$(HOUT)/simulated/%.o,$(notdir $(wildcard tests/simulated/*.c))) $(HOUT)/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -DSIMULATED $(WRAPPED) $(THREADS:%=-Wl,--wrap=%) -o $@ $(filter %.c %.o %.a,$^) -lcmocka -pthread
