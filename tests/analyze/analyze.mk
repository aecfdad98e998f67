# make analyze             gcc -fanalyzer, clang-tidy (.clang-tidy) and cppcheck over src/, without what is explained in
#                          tests/analyze/accepted.txt; and valgrind over the unit tests
analyze: unit
	@tests/analyze/run.py

.PHONY: analyze
