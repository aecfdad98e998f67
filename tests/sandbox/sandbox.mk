# The server with a handler that does what an intruder would.
PUPPET := $(OUT)/tests/puppet

$(PUPPET): tests/sandbox/puppet.c $(call free,$(COMMON) $(filter-out src/app/httpd/demo.c,$(HTTPD)) $(LIBC_FREE))
	@mkdir -p $(@D)
	$(FREE_CC) $(FREE) $(LTO) $(LINK) -o $@ $< $(filter %.o,$^)

puppet: $(PUPPET)

.PHONY: puppet
