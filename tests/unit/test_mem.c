/*
 * The freestanding memcpy and its family, under names of their own, against plain loops: all sizes
 * over the borders between their methods, all alignments, overlaps, and pages that must not be
 * touched on both sides.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* As in its own build: its loops stay loops, and don't become calls of the libc's. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#define memcpy own_memcpy
#define memmove own_memmove
#define memset own_memset
#define memcmp own_memcmp
#define strlen own_strlen
#include "../../src/sys/free_mem.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen

#define SIZE_MAX_TESTED 600

static uint8_t *pages[2]; /* two pages each, between two that trap */
static size_t page;

static int map_pages(void **state)
{
    (void)state;
    page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 2; i++) {
        uint8_t *at = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) return -1;
        pages[i] = at + page;
        if (mprotect(pages[i], 2 * page, PROT_READ | PROT_WRITE)) return -1;
    }
    return 0;
}

static void fill(uint8_t *at, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        at[i] = (uint8_t)(seed >> 24);
    }
}

/* Fails when a byte of the page is not as it was or as it should be. */
static void assert_bytes(const uint8_t *got, const uint8_t *expected, size_t len, size_t size)
{
    for (size_t i = 0; i < len; i++)
        if (got[i] != expected[i]) fail_msg("size %zu: byte %zu differs", size, i);
}

static void copies_at_both_ends_of_a_page(void **state)
{
    (void)state;
    uint8_t expected[1024];
    for (size_t len = 0; len <= SIZE_MAX_TESTED; len++) {
        uint8_t *from = pages[0] + 2 * page - len, *to = pages[1] + 2 * page - len;
        fill(from, len, (uint32_t)len);
        memset(to - 32, 0xee, len + 32);
        memset(expected, 0xee, 32);
        for (size_t i = 0; i < len; i++) expected[32 + i] = from[i];
        assert_ptr_equal(own_memcpy(to, from, len), to);
        assert_bytes(to - 32, expected, len + 32, len);

        memset(pages[1], 0xee, len + 32);
        memset(expected + 32 + len, 0xee, 32);
        fill(pages[0], len, (uint32_t)len);
        for (size_t i = 0; i < len; i++) expected[32 + i] = pages[0][i];
        assert_ptr_equal(own_memcpy(pages[1], pages[0], len), pages[1]);
        assert_bytes(pages[1], expected + 32, len + 32, len);
    }
}

static void copies_between_all_alignments(void **state)
{
    (void)state;
    uint8_t *from = pages[0] + 64, *to = pages[1] + 64;
    fill(from, SIZE_MAX_TESTED + 32, 7);
    for (size_t a = 0; a < 16; a++)
        for (size_t b = 0; b < 16; b++)
            for (size_t len = 0; len <= SIZE_MAX_TESTED; len += len < 70 ? 1 : 53) {
                memset(to, 0xee, SIZE_MAX_TESTED + 32);
                (void)own_memcpy(to + b, from + a, len);
                assert_bytes(to + b, from + a, len, len);
                assert_int_equal(to[b + len], 0xee);
                if (b) assert_int_equal(to[b - 1], 0xee);
            }
}

static void move_one_overlap(size_t len, ptrdiff_t distance)
{
    static uint8_t expected[2048];
    uint8_t *area = pages[0], *from = area + 700, *to = from + distance;
    fill(area, sizeof expected, (uint32_t)(len * 31) + (uint32_t)distance);
    for (size_t i = 0; i < sizeof expected; i++) expected[i] = area[i];
    for (size_t i = 0; i < len; i++) expected[700 + distance + (ptrdiff_t)i] = from[i];
    assert_ptr_equal(own_memmove(to, from, len), to);
    assert_bytes(area, expected, sizeof expected, len);
}

static void moves_with_every_overlap(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 80; len++)
        for (ptrdiff_t distance = -90; distance <= 90; distance++) move_one_overlap(len, distance);
    for (size_t len = 510; len <= 546; len += 3)
        for (ptrdiff_t distance = -600; distance <= 600; distance += 13)
            move_one_overlap(len, distance);
}

static void sets_at_both_ends_of_a_page(void **state)
{
    (void)state;
    static const int bytes[] = {0, 1, 0x7f, 0x80, 0xff, 0x1a5, -1};
    for (size_t len = 0; len <= SIZE_MAX_TESTED; len++) {
        int byte = bytes[len % RN_COUNT(bytes)];
        uint8_t *starts[] = {pages[0], pages[0] + 2 * page - len, pages[0] + 64 + len % 17};
        for (size_t s = 0; s < 3; s++) {
            memset(pages[0], 0xee, 2 * page);
            assert_ptr_equal(own_memset(starts[s], byte, len), starts[s]);
            for (uint8_t *at = pages[0]; at < pages[0] + 2 * page; at++) {
                int inside = at >= starts[s] && at < starts[s] + len;
                if (*at != (inside ? (uint8_t)byte : 0xee)) fail_msg("size %zu", len);
            }
        }
    }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void compares_up_to_the_page_that_traps(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 100; len++) {
        uint8_t *a = pages[0] + 2 * page - len, *b = pages[1] + 2 * page - len;
        fill(a, len, (uint32_t)len);
        fill(b, len, (uint32_t)len);
        assert_int_equal(own_memcmp(a, b, len), 0);
        for (size_t i = 0; i < len; i++) {
            uint8_t was = b[i];
            /* The first difference decides, whatever follows, as unsigned bytes. */
            b[i] = (uint8_t)(was ^ 0x80);
            if (i + 1 < len) b[len - 1] = (uint8_t)~a[len - 1];
            assert_int_equal(sign(own_memcmp(a, b, len)), a[i] < b[i] ? -1 : 1);
            assert_int_equal(sign(own_memcmp(b, a, len)), a[i] < b[i] ? 1 : -1);
            assert_int_equal(own_memcmp(a, b, i), 0);
            b[i] = was;
            b[len - 1] = a[len - 1];
        }
    }
}

static void lengths_up_to_the_page_that_traps(void **state)
{
    (void)state;
    for (size_t len = 0; len < 100; len++) {
        char *text = (char *)pages[0] + 2 * page - len - 1;
        memset(text, 'x', len);
        text[len] = 0;
        assert_int_equal(own_strlen(text), len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_at_both_ends_of_a_page),
        cmocka_unit_test(copies_between_all_alignments),
        cmocka_unit_test(moves_with_every_overlap),
        cmocka_unit_test(sets_at_both_ends_of_a_page),
        cmocka_unit_test(compares_up_to_the_page_that_traps),
        cmocka_unit_test(lengths_up_to_the_page_that_traps),
    };
    return cmocka_run_group_tests(tests, map_pages, NULL);
}
