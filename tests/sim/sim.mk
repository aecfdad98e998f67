# The simulator: `make sim SEED=N [TRACE=1]` repeats one run, `make sim RUNS=N [FROM=N]` walks seeds and prints the
# first that fails; WORKLOAD=NAME keeps to one workload (build/hosted-sim/tests/sim without arguments lists them).
# ASAN=1 has the sanitizers look too.
SIM_SAN := $(if $(ASAN),simasan,sim)
SIM := build/hosted-$(SIM_SAN)/tests/sim

# So that what they find is told with its seed.
sim: export ASAN_OPTIONS = abort_on_error=1:handle_abort=0:handle_segv=0:handle_sigill=0:detect_leaks=0

$(HOUT)/tests/sim: $(wildcard tests/sim/*.c tests/sim/*.h) $(HOUT)/librunnel.a
	@mkdir -p $(@D)
	$(CC) $(HOSTED) -Itests/sim -o $@ $(filter %.c,$^) $(HOUT)/librunnel.a

sim:
	@$(MAKE) --no-print-directory SAN=$(SIM_SAN) $(SIM) >/dev/null
	@$(SIM) $(if $(SEED),--seed=$(SEED),--runs=$(or $(RUNS),1000)) $(if $(FROM),--from=$(FROM)) \
	    $(if $(WORKLOAD),--workload=$(WORKLOAD)) $(if $(TRACE),--trace)

# Bugs put in by hand, each of which a seed must find.
sim-bugs:
	@$(MAKE) --no-print-directory SAN=sim $(SIM) >/dev/null
	@/usr/bin/python3 tests/sim/bugs.py

.PHONY: sim sim-bugs
