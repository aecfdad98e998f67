# The examples, on the hosted library: `make examples` gives build/hosted/examples/*.
EXAMPLES := $(patsubst examples/%.c,$(HOUT)/examples/%,$(wildcard examples/*.c))

examples: $(EXAMPLES)

$(HOUT)/examples/http2_server: LIBS := -lnghttp2
$(HOUT)/examples/%: examples/%.c $(HOUT)/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -o $@ $< $(HOUT)/librunnel.a $(LIBS) -pthread

.PHONY: examples
