/*
 * SHA-1: the vectors of FIPS 180 and RFC 3174, the lengths around a block, and input in pieces.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "guarded.h"
#include "proto/sha1.h"

static void assert_digest(const void *data, size_t len, const char *expected)
{
    uint8_t digest[RN_SHA1_SIZE];
    char hex[2 * RN_SHA1_SIZE + 1];
    rn_sha1(guarded_copy(0, data, len), digest);
    for (size_t i = 0; i < RN_SHA1_SIZE; i++) sprintf(hex + 2 * i, "%02x", digest[i]);
    assert_string_equal(hex, expected);
}

static void the_published_vectors(void **state)
{
    static const struct {
        const char *text;
        unsigned times;
        const char *digest;
    } vectors[] = {
        {"", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {"a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
        {"0123456701234567012345670123456701234567012345670123456701234567", 10,
         "dea356a2cddd90c7a7ecedc5ebb563934f460452"},
    };
    (void)state;
    for (size_t i = 0; i < RN_COUNT(vectors); i++) {
        size_t once = strlen(vectors[i].text), len = once * vectors[i].times;
        char *text = malloc(len + 1);
        for (size_t at = 0; at < len; at++) text[at] = vectors[i].text[at % once];
        uint8_t *copy = (uint8_t *)text;
        assert_digest(copy, len, vectors[i].digest);
        free(text);
    }
}

/* The padding takes a block more from 56 bytes on. The digests are sha1sum's, of bytes 0, 1, 2 ...
 */
static void the_lengths_around_a_block(void **state)
{
    static const struct {
        size_t len;
        const char *digest;
    } vectors[] = {
        {1, "5ba93c9db0cff93f52b521d7420e43f6eda2784f"},
        {54, "cfae6d86a767b9c700b5081a54265fb2fe0f6fd9"},
        {55, "8ae2d46729cfe68ff927af5eec9c7d1b66d65ac2"},
        {56, "636e2ec698dac903498e648bd2f3af641d3c88cb"},
        {57, "7cb1330f35244b57437539253304ea78a6b7c443"},
        {60, "c98714b16f92c8a770e9fc229df834d1688e282f"},
        {63, "6d942da0c4392b123528f2905c713a3ce28364bd"},
        {64, "c6138d514ffa2135bfce0ed0b8fac65669917ec7"},
        {65, "69bd728ad6e13cd76ff19751fde427b00e395746"},
        {119, "41c89d06001bab4ab78736b44efe7ce18ce6ae08"},
        {120, "d3dbd653bd8597b7475321b60a36891278e6a04a"},
        {127, "89d7312a903f65cd2b3e34a975e55dbea9033353"},
        {128, "e6434bc401f98603d7eda504790c98c67385d535"},
        {129, "3352e41cc30b40ae80108970492b21014049e625"},
    };
    uint8_t bytes[256];
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < RN_COUNT(vectors); i++) {
        assert_digest(bytes, vectors[i].len, vectors[i].digest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors),
        cmocka_unit_test(the_lengths_around_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
