/*
 * app/options.c: see options.h.
 */
#include "app/options.h"
#include "base/bytes.h"

bool same_text(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

/* Where the help describes the option that `word` names; NULL when there is none. */
static const char *find(const char *word, const struct option **found)
{
    *found = option_table;
    for (const char *at = help_text; *at; at++) {
        size_t len = 0;
        if (at[0] != '-' || at[1] != '-') continue;
        while (at[len] > ' ' && at[len] == word[len]) len++;
        if (at[len] <= ' ' && (!word[len] || word[len] == '=')) return at;
        if (at[-2] == ',' && at[-3] == word[1]) return at;
        at++;
        ++*found;
    }
    return NULL;
}

/* The value: behind '=' of a long option, right behind a letter, or the next word. */
static const char *value_of(const char *word, char ***next)
{
    if (word[1] != '-' && word[2]) return word + 2;
    for (; *word; word++)
        if (*word == '=') return word + 1;
    return **next ? *(*next)++ : NULL;
}

/* The value as it is stored; false when it isn't one for this option. */
static bool convert(const struct option *option, const char *value, uint64_t *field)
{
    const char *choice = option->choices;
    *field = 0;
    if (choice) {
        for (; *choice && !same_text(choice, value); choice += strlen(choice) + 1) ++*field;
        if (!*choice) return false;
    } else if (option->kind >= COUNT) {
        if (!rn_parse_u64(rn_bytes_text(value), field) || (option->max && *field > option->max))
            return false;
        if (option->kind == SECONDS) *field *= RN_SECOND;
        return *field || option->kind == COUNT;
    }
    if (option->kind <= NAME) *field = (uintptr_t)value;
    return option->kind != PATH || *value == '/';
}

int options_read(void *settings, char **words)
{
    unsigned place = 0;
    if (*words) words++; /* the program's name */
    while (*words) {
        const char *word = *words++, *value = word;
        const struct option *option;
        bool bare = word[0] != '-' || !word[1];
        uint64_t converted = true;
        const char *line = find(bare ? option_place(place++) : word, &option);
        if (!line) {
            complain_of_word(word);
            return -1;
        }
        char **field = (void *)((char *)settings + option->at);
        if (option->kind != FLAG) {
            if (!bare) value = value_of(word, &words);
            if (!value || !convert(option, value, &converted) ||
                (option->kind == LIST && field[list_max - 1])) {
                complain_of_value(value ? value : word, line,
                                  rn_bytes_find(rn_bytes_text(line), '\n'));
                return -1;
            }
        } else if (flags_together && word[1] != '-' && word[2]) {
            *--words = (char *)word + 1;
            **words = '-';
        }
        while (option->kind == LIST && *field) field++;
        memcpy(field, &converted, option->size);
    }
    return 0;
}
