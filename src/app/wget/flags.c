/*
 * app/wget/flags.c: the options of wget; see app/options.h.
 */
#include "app/wget/wget.h"

const char help_text[] =
    "Usage: wget [OPTION]... URL [FILE]\n"
    "       wget [OPTION]... URL...\n"
    "Fetches files over HTTP/1.1.\n"
    "\n"
    "  -O, --output-document FILE|-  write there (default: by the URL; -: standard output)\n"
    "  -c, --continue            go on with a file that is there in part\n"
    "  -N, --timestamping        only what is newer than the file that is there\n"
    "  -j, --jobs N              fetch so many at once, 1 to 64 (default: 1)\n"
    "  -q, --quiet               say nothing but errors\n"
    "  -S, --server-response     show the heads of the responses\n"
    "      --header LINE         send this field, \"Name: value\"; repeatable\n"
    "      --method NAME         (default: GET, with a body POST)\n"
    "      --body-data TEXT      send this body\n"
    "      --body-file FILE      send this file's content\n"
    "      --max-redirect N      redirects to follow (default: 20)\n"
    "  -t, --tries N             attempts, 0: without end (default: 20)\n"
    "      --waitretry S         seconds between attempts at most, 1 at first (default: 10)\n"
    "  -T, --timeout S           seconds without a byte, 0: any (default: 900)\n"
    "      --limit-rate N        bytes a second; k and m may follow\n"
    "      --user NAME           who asks; as is NAME:PASSWORD@ in the URL\n"
    "      --password TEXT\n"
    "      --proxy URL           ask this proxy (default: $http_proxy)\n"
    "      --no-proxy\n"
    "  -U, --user-agent TEXT     (default: wget/" RN_VERSION " (Runnel))\n"
    "      --backend NAME        auto, uring, epoll or poll (default: auto)\n"
    "  -u, --url URL             as a word alone; repeatable\n"
    "  -V, --version\n"
    "  -h, --help\n"
    "\n"
    "Exit codes: 0 all is there, 1 other, 2 usage, 3 file, 4 network, 5 TLS,\n"
    "6 user or password, 7 protocol, 8 the server said no.\n";

const struct option option_table[] = {
    {TEXT, FIELD(output), 0, NULL},
    {FLAG, FIELD(resume), 0, NULL},
    {FLAG, FIELD(newer_only), 0, NULL},
    {NUMBER, FIELD(jobs), JOBS_MAX, NULL},
    {FLAG, FIELD(quiet), 0, NULL},
    {FLAG, FIELD(show_head), 0, NULL},
    {LIST, FIELD(headers[0]), 0, NULL},
    {TEXT, FIELD(method), 0, NULL},
    {TEXT, FIELD(body_data), 0, NULL},
    {TEXT, FIELD(body_file), 0, NULL},
    {COUNT, FIELD(redirects_max), 1000, NULL},
    {COUNT, FIELD(tries), 1000000, NULL},
    {NUMBER, FIELD(retry_wait), 1000000, NULL},
    {COUNT, FIELD(timeout), 1000000, NULL},
    {TEXT, FIELD(limit_rate), 0, NULL},
    {TEXT, FIELD(user), 0, NULL},
    {TEXT, FIELD(password), 0, NULL},
    {TEXT, FIELD(proxy), 0, NULL},
    {FLAG, FIELD(no_proxy), 0, NULL},
    {TEXT, FIELD(agent), 0, NULL},
    {NAME, FIELD(backend), 0, "auto\0uring\0epoll\0poll\0"},
    {LIST, FIELD(urls[0]), 0, NULL},
    {FLAG, FIELD(version), 0, NULL},
    {FLAG, FIELD(help), 0, NULL},
};

const bool flags_together = true;
const uint32_t list_max = LIST_MAX;

const char *option_place(unsigned n)
{
    return "-u";
}

void complain_of_word(const char *word)
{
    complain("'%s' is not understood; see --help", word);
}

void complain_of_value(const char *value, const char *line, size_t len)
{
    complain("'%s': expected %b", value, line, len);
}
