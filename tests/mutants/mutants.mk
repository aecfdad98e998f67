# make mutants             one-line changes of src/, each of which some test must catch: prints the table
# make mutants X=websocket those with this word in their name or file
mutants:
	@tests/mutants/run.py $(X)

.PHONY: mutants
