# The examples, on the hosted library: `make examples` gives build/hosted/examples/*.
EXAMPLES := $(patsubst examples/%.c,$(HOUT)/examples/%,$(wildcard examples/*.c))
EXAMPLE_HEADERS := $(wildcard examples/*.h)

examples: $(EXAMPLES)

# Two want another library, which not every machine has: without its header they are left out.
$(HOUT)/examples/http2_server: LIBS := -lnghttp2
$(HOUT)/examples/http2_server: HEADER := nghttp2/nghttp2.h
$(HOUT)/examples/https_fetch: LIBS := -lssl -lcrypto
$(HOUT)/examples/https_fetch: HEADER := openssl/ssl.h
LEAVE_OUT = $(if $(HEADER),if ! $(CC) -E -include $(HEADER) -x c /dev/null >/dev/null 2>&1; then \
    echo "$(@F) is left out: there is no $(HEADER)"; exit; fi;)

$(HOUT)/examples/%: examples/%.c $(HOUT)/librunnel.a $(EXAMPLE_HEADERS)
	@mkdir -p $(@D)
	$(LEAVE_OUT) $(CC) $(HOSTED) -o $@ $< $(HOUT)/librunnel.a $(LIBS) -pthread

.PHONY: examples
