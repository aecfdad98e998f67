/*
 * app/options.h: a program's command line. Its help is the list of the names; a table in the same
 * order says what becomes of each option's value.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <runnel/base.h>

enum option_kind { FLAG, TEXT, PATH, LIST, NAME, CHOICE, COUNT, NUMBER, SECONDS };

struct option {
    uint8_t kind;
    uint8_t size; /* of the field */
    uint16_t at;  /* of the field in the settings */
    uint32_t max; /* of a number; 0: any */
    const char *choices;
};

/* ---- What each program defines --------------------------------------------------------------- */

/* Each "--" begins an option, and in front of it is its letter, if it has one. */
extern const char help_text[];
extern const struct option option_table[];
/* Values that a list takes: its field is an array with room for one more, a NULL. */
extern const uint32_t list_max;
/* Whether "-ab" is "-a -b" for flags; otherwise what is behind a flag's letter is ignored. */
extern const bool flags_together;
/* The option that the n-th word without a dash is the value of: '-' and its letter. */
const char *option_place(unsigned n);
/* One line on standard error each: no such option; a value that isn't one, with the option's line
 * of the help. */
void complain_of_word(const char *word);
void complain_of_value(const char *value, const char *line, size_t len);

/* For the table. */
#define FIELD(field) sizeof((struct settings *)0)->field, offsetof(struct settings, field)

/* ---- What it gets ---------------------------------------------------------------------------- */

/* 0, or -1 after a complaint. `words` begin with the program's name, and end with NULL. */
int options_read(void *settings, char **words);
bool same_text(const char *a, const char *b);

#endif
