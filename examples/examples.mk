# The examples, on the hosted library: `make examples` gives build/hosted/examples/*.
EXAMPLES := $(patsubst examples/%.c,$(HOUT)/examples/%,$(wildcard examples/*.c))
EXAMPLE_HEADERS := $(wildcard examples/*.h)

examples: $(EXAMPLES)

$(HOUT)/examples/http2_server: LIBS := -lnghttp2
# OpenSSL is an ordinary library that not every machine has: without it this one is left out.
$(HOUT)/examples/https_fetch: examples/https_fetch.c $(HOUT)/librunnel.a $(EXAMPLE_HEADERS)
	@mkdir -p $(@D)
	@if echo '#include <openssl/ssl.h>' | $(CC) -E - >/dev/null 2>&1; then \
	    set -x; $(CC) $(HOSTED) -o $@ $< $(HOUT)/librunnel.a -lssl -lcrypto -pthread; \
	else echo "https_fetch is left out: there is no openssl/ssl.h (libssl-dev)"; fi

$(HOUT)/examples/%: examples/%.c $(HOUT)/librunnel.a $(EXAMPLE_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -o $@ $< $(HOUT)/librunnel.a $(LIBS) -pthread

.PHONY: examples
