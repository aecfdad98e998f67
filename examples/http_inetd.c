/* A drop box over HTTP on standard input and output, as inetd and its heirs start servers: no
 * socket, no runtime, a process for each connection. GET lists and fetches, PUT puts.
 *
 *     socat TCP-LISTEN:8080,fork,reuseaddr EXEC:'http_inetd DIRECTORY'
 *     curl -T FILE http://localhost:8080/     and    curl 'http://localhost:8080/?find=text'
 */
#include "http_stdio.h"
#include <dirent.h>
#include <runnel/url.h>
#include <sys/stat.h>

static char path[RN_HTTP1_TARGET_MAX + 2];

/* The value of ?find=, decoded; empty when there is none. False: it is malformed. */
static bool wanted(char *to, size_t cap)
{
    rn_bytes query = part(request.query), key, value;
    to[0] = '\0';
    while (rn_url_next_parameter(&query, &key, &value))
        if (bytes_are(key, "find")) return rn_url_decode_parameter(to, cap, value) >= 0;
    return true;
}

static void list_directory(void)
{
    char find[256], link[3 * 256], text[6 * 256], *page;
    bool plain = lists("Accept", "text/plain");
    size_t len;
    DIR *directory = opendir(path[0] ? path : ".");
    if (!directory || !wanted(find, sizeof find)) {
        if (directory) closedir(directory);
        answer_text(directory ? 400 : 404);
        return;
    }
    FILE *out = open_memstream(&page, &len);
    for (struct dirent *entry; (entry = readdir(directory));) {
        rn_bytes name = bytes_of(entry->d_name);
        if (name.ptr[0] == '.' || !strstr(entry->d_name, find)) continue;
        rn_ssize link_len = rn_url_encode_path(link, sizeof link, name);
        rn_ssize text_len = rn_url_escape_html(text, sizeof text, name);
        const char *slash = entry->d_type == DT_DIR ? "/" : "";
        if (plain) fprintf(out, "%s%s\n", entry->d_name, slash);
        else fprintf(out, "<p><a href=\"./%.*s%s\">%.*s</a>\n", (int)link_len, link, slash,
                     (int)text_len, text);
    }
    closedir(directory);
    fclose(out);
    answer(200, plain ? "Content-Type: text/plain; charset=utf-8\r\n"
                      : "Content-Type: text/html; charset=utf-8\r\n", page, len);
    free(page);
}

static void send_file(void)
{
    char fields[3 * sizeof path + 32], data[16384];
    struct stat status;
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
        answer(200, "Content-Type: application/octet-stream\r\n", NULL, (size_t)status.st_size);
        if (request.method == RN_HTTP1_HEAD) status.st_size = 0;
        while (status.st_size > 0) {
            ssize_t len = read(file, data, sizeof data);
            if (len > status.st_size) len = status.st_size; /* it has grown */
            if (len <= 0) exit(1); /* it has shrunk: only an early end can say so */
            if (!write_all(STDOUT_FILENO, data, (size_t)len)) exit(1);
            status.st_size -= len;
        }
    } else if (file >= 0 && S_ISDIR(status.st_mode)) { /* links in it are relative to it */
        size_t len = (size_t)sprintf(fields, "Location: /");
        rn_ssize more = rn_url_encode_path(fields + len, 3 * sizeof path, bytes_of(path));
        strcpy(fields + len + more, "/\r\n");
        answer(301, fields, NULL, 0);
    } else {
        answer_text(404);
    }
    if (file >= 0) close(file);
}

/* Under a name of its own until it is whole; with "If-None-Match: *" only where nothing is. */
static void put_file(void)
{
    char temporary[32];
    bool only_new = bytes_are(rn_http1_find_field(&request, input, "If-None-Match"), "*");
    snprintf(temporary, sizeof temporary, ".upload-%ld", (long)getpid());
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (request.expect_continue) write_all(STDOUT_FILENO, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    unsigned status = take_body(file);
    if (file < 0 || close(file) < 0) status = 507;
    if (!status && only_new && link(temporary, path) < 0) status = errno == EEXIST ? 412 : 409;
    if (!status && !only_new && rename(temporary, path) < 0) status = 409;
    unlink(temporary);
    answer_text(status ? status : 201);
}

int main(int argc, char **argv)
{
    if (argc != 2) fail("usage", "http_inetd DIRECTORY");
    must(chdir(argv[1]), argv[1]);
    signal(SIGPIPE, SIG_IGN);
    do {
        if (!next_request()) break;
        bool get = request.method == RN_HTTP1_GET || request.method == RN_HTTP1_HEAD;
        rn_ssize len = rn_url_decode_path(path, sizeof path - 1, part(request.path));
        bool directory = len >= 0 && rn_url_is_directory(path, (size_t)len);
        bool put = request.method == RN_HTTP1_PUT && len >= 0 && !directory;
        /* Who waits for a 100 before he sends a body that isn't wanted gets the answer at once. */
        if (!put && request.expect_continue) request.keep_alive = false;
        unsigned bad = put || request.expect_continue ? 0 : take_body(-1);
        if (bad) answer_text(bad);
        else if (put) put_file();
        else if (!get) answer(405, "Allow: GET, HEAD, PUT\r\n", NULL, 0);
        else if (len < 0) answer_text(len == RN_E_UNSUPPORTED ? 404 : 400);
        else if (directory) list_directory();
        else send_file();
    } while (end_request());
    return 0;
}
