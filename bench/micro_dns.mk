# What a cached answer of the resolver costs: build/bench-dns.
build/bench-dns: bench/micro_dns.c build/hosted/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(BENCH_FLAGS) -o $@ $^ -pthread

bench-dns: build/bench-dns
	@build/bench-dns

.PHONY: bench-dns
