# make soak                what takes too long for make test, about three quarters of an hour: upgrades under load, millions
#                          of requests, 20,000 simulated worlds, fuzzing, everything under sanitizers, valgrind
# make soak S="sim fuzz"   these steps of it; UPGRADES=100, REQUESTS=2000000, RUNS=20000, TIME=600 say how much
given = $(if $(filter command% environment%,$(origin $(1))),$(1)=$($(1)))
soak: all build/runnel-bench
	@$(foreach name,UPGRADES REQUESTS RUNS TIME,$(call given,$(name))) tests/soak/run.py $(S)

# The unit tests that valgrind can run, built without sanitizers.
valgrind: unit
	@tests/analyze/run.py --only valgrind

.PHONY: soak valgrind
