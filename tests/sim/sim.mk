# The simulator: `make sim SEED=N [TRACE=1]` repeats one run, `make sim RUNS=N [FROM=N]` walks seeds and prints the
# first that fails; WORKLOAD=http|websocket|udp|tasks|storm keeps to one of them.
SIM := build/hosted-sim/tests/sim

$(HOUT)/tests/sim: $(wildcard tests/sim/*.c tests/sim/*.h) $(HOUT)/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -Itests/sim -o $@ $(filter %.c,$^) $(HOUT)/librunnel.a

sim:
	@$(MAKE) --no-print-directory SAN=sim $(SIM) >/dev/null
	@$(SIM) $(if $(SEED),--seed=$(SEED),--runs=$(or $(RUNS),1000)) $(if $(FROM),--from=$(FROM)) \
	    $(if $(WORKLOAD),--workload=$(WORKLOAD)) $(if $(TRACE),--trace)

# Bugs put in by hand, each of which a seed must find.
sim-bugs:
	@$(MAKE) --no-print-directory SAN=sim $(SIM) >/dev/null
	@/usr/bin/python3 tests/sim/bugs.py

.PHONY: sim sim-bugs
