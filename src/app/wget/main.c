/*
 * app/wget/main.c: the program: settings, signals, and messages that say what went wrong.
 */
#include "app/wget/wget.h"
#include "base/bytes.h"
#include "sys/sys.h"

enum { STDOUT = 1, STDERR = 2 };

static const int complaints_fd = STDERR;
struct rn_log complaints;

int rn_main(int argc, char **argv, char **envp)
{
    static struct settings settings = {
        .backend = "auto",
        .jobs = 1,
        .tries = 20,
        .redirects_max = 20,
        .timeout = 900 * RN_SECOND,
        .wait_retry = 10 * RN_SECOND,
    };
    complaints.fd = &complaints_fd;
    complaints.per_line = true;
    if (options_read(&settings, argv) < 0) return EXIT_USAGE;
    if (settings.help || settings.version) {
        const char *text = settings.help ? help_text : "wget " RN_VERSION " (Runnel)\n";
        rn_sys_write(STDOUT, text, strlen(text));
        return EXIT_OK;
    }
    if (!*settings.urls) {
        complain("%s", "which URL? see --help");
        return EXIT_USAGE;
    }
    return EXIT_OTHER;
}

RN_PROGRAM_MAIN
