# Tasks and fibers, as tests/sys/both.c: with a libc, without one, and on every architecture.
$(OUT)/tests/tasks: tests/sys/tasks.c $(call free,$(COMMON) $(LIBC_FREE))
	@mkdir -p $(@D)
	$(FREE_CC) $(FREE) $(LTO) $(LINK) -o $@ $(filter %.c %.o,$^)

$(HOUT)/tests/tasks: tests/sys/tasks.c $(HOUT)/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -o $@ $(filter %.c %.a,$^) -pthread
