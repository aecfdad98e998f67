/* Spelling: spell_server [ADDRESS] [BACKEND] [FILE], which has a word on each line. A word that is
 * sent is answered by the most similar one that there is. Comparing it with all of them takes its
 * time, and loading waits for the disk: helper threads do both, several at once, and the worker
 * goes on. The line RELOAD loads the file again; meanwhile the old words are good. */
#include "lines.h"

enum { WORD = LINES_LINE, WORDS_MAX = 500000 };

static struct words {
    size_t count;
    char list[WORDS_MAX][WORD];
} tables[2];

static unsigned good; /* which of them all look at; the other one is for loading */
static const char *path = "/usr/share/dict/words";
static struct rn_rwlock lock; /* held while a helper looks at the good words */
static struct rn_mutex loading;

struct question {
    struct rn_helped helped;
    const char *word;
    char *answer;
};

/* On a helper's thread: how many words there are in the file now. */
static int64_t load(struct rn_helped *helped)
{
    FILE *file = fopen(path, "r");
    struct words *fresh = &tables[!good];
    if (!file) return -errno;
    size_t count = 0;
    for (; count < WORDS_MAX && fgets(fresh->list[count], WORD, file); count++)
        fresh->list[count][strcspn(fresh->list[count], "\n")] = 0;
    int64_t result = ferror(file) ? -errno : (int64_t)(fresh->count = count);
    fclose(file);
    return result;
}

/* Letters to be put in, left out or changed: Levenshtein's distance, by its rows. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD], len = strlen(b), above;
    for (size_t i = 0; i <= len; i++) row[i] = i;
    for (; *a; a++) {
        size_t diagonal = row[0]++;
        for (size_t i = 1; i <= len; diagonal = above, i++) {
            size_t change = diagonal + (*a != b[i - 1]);
            above = row[i];
            row[i] = 1 + (above < row[i - 1] ? above : row[i - 1]);
            if (change < row[i]) row[i] = change;
        }
    }
    return row[len];
}

/* On a helper's thread. */
static int64_t look(struct rn_helped *helped)
{
    struct question *question = rn_container_of(helped, struct question, helped);
    struct words *words = &tables[good];
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < words->count; i++) {
        size_t its = distance(words->list[i], question->word);
        if (its < best) strcpy(question->answer, words->list[i]), best = its;
    }
    return words->count ? 0 : RN_E_NO_DATA;
}

static int64_t help(struct question *question, int64_t (*run)(struct rn_helped *helped))
{
    question->helped.run = run;
    rn_helper_begin(rn_fiber_cx(), &question->helped, RN_NEVER);
    rn_fiber_await(&question->helped.op);
    return question->helped.op.result;
}

static int64_t reload(struct question *question)
{
    struct rn_wait wait;
    if (!rn_mutex_try_lock(&loading)) return -EBUSY; /* another one does it */
    int64_t result = help(question, load);
    if (result >= 0) {
        sprintf(question->answer, "%lld words", (long long)result);
        rn_rwlock_write(&wait, &lock); /* until nobody looks at the old ones */
        rn_fiber_await(&wait.future);
        good = !good;
        rn_rwlock_write_end(&lock);
    }
    rn_mutex_unlock(&loading);
    return result;
}

static int64_t find(struct question *question)
{
    struct rn_wait wait;
    rn_rwlock_read(&wait, &lock);
    rn_fiber_await(&wait.future);
    int64_t result = help(question, look);
    rn_rwlock_read_end(&lock);
    return result;
}

static void answer(const char *line, char *to)
{
    struct question question = {.word = line, .answer = to};
    int64_t result = strcmp(line, "RELOAD") == 0 ? reload(&question) : find(&question);
    if (result < 0) strcpy(to, rn_error_text((int)result));
}

int main(int argc, char **argv)
{
    if (argc > 3) path = argv[3];
    example_check((int)load(NULL), path); /* nobody waits for it yet */
    good = !good;
    rn_rwlock_init(&lock);
    rn_mutex_init(&loading);
    example_check(rn_helpers_setup(NULL), "helpers");
    return lines_serve(argc, argv, answer);
}
