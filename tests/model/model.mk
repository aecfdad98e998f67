# Model tests: the real sources, instrumented, under the checker in tests/model (see checker.h).
#   make model                 every model; build/model/model NAME runs one
# MODEL_SRC: other sources than src, for a mutant of them.
MODEL_FLAGS = -I$(MODEL_SRC) $(BASE) -D_GNU_SOURCE -DRN_DEBUG -O1 -Itests/model -Wno-missing-field-initializers
MODEL_SRC ?= src
MODEL_OUT ?= build/model
MODEL_TESTED := litmus lock_free workers server sync
# Fibers switch stacks as the checker does; a thread that waits for a lock waits in the model (sync.c).
MODEL_CORE := $(filter-out fiber lock,$(patsubst src/core/%.c,%,$(wildcard src/core/*.c)))

model: $(MODEL_OUT)/model
	@$(MODEL_OUT)/model

$(MODEL_OUT)/model: $(MODEL_TESTED:%=$(MODEL_OUT)/%.o) $(MODEL_CORE:%=$(MODEL_OUT)/core-%.o) \
                    $(patsubst %,$(MODEL_OUT)/%.o,checker memory runtime main) \
                    $(HOUT)/librunnel.a
	$(CC) -o $@ $^ -pthread

$(MODEL_TESTED:%=$(MODEL_OUT)/%.o): $(MODEL_OUT)/%.o: tests/model/%.c
	@mkdir -p $(@D)
	$(CC) $(MODEL_FLAGS) -fsanitize=thread -Wno-tsan -c -o $@ $<

$(MODEL_OUT)/core-%.o: $(MODEL_SRC)/core/%.c
	@mkdir -p $(@D)
	$(CC) $(MODEL_FLAGS) -fsanitize=thread -Wno-tsan -c -o $@ $<

$(MODEL_OUT)/%.o: tests/model/%.c
	@mkdir -p $(@D)
	$(CC) $(MODEL_FLAGS) -O2 -c -o $@ $<

.PHONY: model
