/*
 * proto/content_type.c: media types by extension (the IANA registry; RFC 9110, section 8.3).
 *
 * The table is one string. A byte below ' ' begins a type and stands for its first part; the
 * subtype follows, then the extensions, a ' ' before each. A type without a subtype has the
 * extension for one.
 */
#include "proto/content_type.h"

#include "base/bytes.h"

/* First parts of types, each once: a byte names a line of `parts`, which may begin with such a byte
 * itself. */
#define TEXT  "\1"
#define IMAGE "\2"
#define FONT  "\3"
#define AUDIO "\4"
#define VIDEO "\5"
#define APP   "\6"
#define X     "\7" /* not registered */
#define VND   "\10"
#define OPEN  "\11"
#define OASIS "\12"
#define MS    "\13"

/* clang-format off */
static const char parts[] =
    "text/ image/ font/ audio/ video/ application/ " APP "x- " APP "vnd. "
    VND "openxmlformats-officedocument. " VND "oasis.opendocument. " VND "ms-";

/* What web sites are made of comes first; the last entry, without an extension, is what is left. */
static const char table[] =
    TEXT "html html htm" TEXT " css" TEXT "javascript js mjs cjs" APP "json json map"
    IMAGE "svg+xml svg" IMAGE " png webp gif avif bmp jxl apng heic tiff"
    IMAGE "jpeg jpg jpeg" IMAGE "x-icon ico" FONT " woff2 woff ttf otf"
    TEXT "plain txt text log conf ini c h" TEXT "markdown md" TEXT " csv vtt"
    TEXT "calendar ics" APP "xml xml xsl" APP "xhtml+xml xhtml"
    APP "rss+xml rss" APP "atom+xml atom" APP "manifest+json webmanifest"
    APP "ld+json jsonld" APP " wasm pdf zip toml rtf yaml" APP "yaml yml"
    APP "gzip gz tgz" APP "zstd zst" X " tar xz sh" X "7z-compressed 7z"
    APP "epub+zip epub" AUDIO " flac wav aac ogg" AUDIO "ogg oga opus" AUDIO "mpeg mp3"
    AUDIO "mp4 m4a" VIDEO " mp4 webm mpeg" VIDEO "mpeg mpg" VIDEO "mp4 m4v"
    VIDEO "ogg ogv" VIDEO "mp2t ts" VIDEO "quicktime mov" VIDEO "x-matroska mkv" VND " rar"
    APP "msword doc" MS "excel xls" MS "powerpoint ppt" OPEN "wordprocessingml.document docx"
    OPEN "spreadsheetml.sheet xlsx" OPEN "presentationml.presentation pptx"
    OASIS "text odt" OASIS "spreadsheet ods" OASIS "presentation odp"
    APP "octet-stream";
/* clang-format on */

/* Writes a type from the byte that begins it; nests as deep as `parts` does, twice. */
static char *put_type(char *to, const char *type)
{
    if ((uint8_t)*type < ' ') {
        const char *part = parts;
        for (int skip = *type++ - 1; skip > 0; part++) skip -= *part == ' ';
        to = put_type(to, part);
    }
    while ((uint8_t)*type > ' ') *to++ = *type++;
    return to;
}

size_t rn_content_type(char to[RN_CONTENT_TYPE_MAX], rn_bytes path)
{
    size_t dot = path.len;
    while (dot > 0 && path.ptr[dot - 1] != '.' && path.ptr[dot - 1] != '/') dot--;
    size_t len = dot > 0 && path.ptr[dot - 1] == '.' ? path.len - dot : 0;
    const char *type = table, *at = table;
    for (; *at; at++) {
        if (*at < ' ') type = at;
        if (*at != ' ') continue;
        size_t i = 0;
        while (i < len && at[1 + i] > ' ' && (char)rn_lower(path.ptr[dot + i]) == at[1 + i]) i++;
        if (i == len && at[1 + i] <= ' ') break;
    }
    char *end = put_type(to, type);
    if (type[1] == ' ') end = put_type(end, at + 1);
    if (*type != *TEXT) return (size_t)(end - to);
    memcpy(end, "; charset=utf-8", 15);
    return (size_t)(end + 15 - to);
}
