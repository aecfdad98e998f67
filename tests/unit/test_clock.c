/*
 * Finding the clock in the kernel's vDSO: in the real one, and in copies of it that lack what it
 * is found by.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define rn_clock_source tested_source
#define rn_clock_setup tested_setup
#include "../../src/sys/free_clock.c"

static const uint8_t *vdso;
static size_t vdso_size;

static int find_vdso(void **state)
{
    (void)state;
    vdso = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
    if (!vdso) return 0;
    const Elf64_Ehdr *header = (const void *)vdso;
    const Elf64_Phdr *segment = (const void *)(vdso + header->e_phoff);
    while (segment->p_type != PT_LOAD) segment++;
    vdso_size = segment->p_filesz;
    return 0;
}

static int reset(void **state)
{
    (void)state;
    tested_source = kernel_clock;
    return 0;
}

/* A copy that says nothing under this tag; to be freed. */
static uint8_t *copy_without(Elf64_Sxword tag)
{
    uint8_t *copy = malloc(vdso_size);
    assert_non_null(copy);
    memcpy(copy, vdso, vdso_size);
    const Elf64_Phdr *segment = (const void *)(copy + ((Elf64_Ehdr *)(void *)copy)->e_phoff);
    while (segment->p_type != PT_DYNAMIC) segment++;
    Elf64_Dyn *dynamic = (void *)(copy + segment->p_offset);
    for (; dynamic->d_tag != DT_NULL; dynamic++)
        if (dynamic->d_tag == tag) dynamic->d_tag = DT_DEBUG;
    return copy;
}

static uintptr_t found_offset(const uint8_t *base)
{
    tested_source = kernel_clock;
    tested_setup((uintptr_t)base);
    return tested_source == kernel_clock ? 0 : (uintptr_t)tested_source - (uintptr_t)base;
}

static void the_real_one(void **state)
{
    (void)state;
    if (!vdso) skip();
    tested_setup((uintptr_t)vdso);
    assert_ptr_not_equal(tested_source, kernel_clock);
    struct rn_k_timespec before, now, after;
    assert_int_equal(kernel_clock(RN_K_CLOCK_MONOTONIC, &before), 0);
    assert_int_equal(tested_source(RN_K_CLOCK_MONOTONIC, &now), 0);
    assert_int_equal(kernel_clock(RN_K_CLOCK_MONOTONIC, &after), 0);
    int64_t low = before.tv_sec * 1000000000 + before.tv_nsec;
    int64_t read = now.tv_sec * 1000000000 + now.tv_nsec;
    int64_t high = after.tv_sec * 1000000000 + after.tv_nsec;
    assert_true(low <= read && read <= high);
}

static void names_and_symbols_are_needed(void **state)
{
    (void)state;
    if (!vdso) skip();
    uintptr_t expected = found_offset(vdso);
    assert_true(expected > 0 && expected < vdso_size);
    uint8_t *whole = copy_without(DT_HASH);
    uint8_t *nameless = copy_without(DT_STRTAB), *symbolless = copy_without(DT_SYMTAB);
    assert_int_equal(found_offset(whole), expected);
    assert_int_equal(found_offset(nameless), 0);
    assert_int_equal(found_offset(symbolless), 0);
    free(whole);
    free(nameless);
    free(symbolless);
}

static void no_vdso_means_the_kernel(void **state)
{
    (void)state;
    tested_setup(0);
    assert_ptr_equal(tested_source, kernel_clock);
    struct rn_k_timespec now;
    assert_int_equal(tested_source(RN_K_CLOCK_REALTIME, &now), 0);
    assert_int_equal(tested_source(12345, &now), -RN_K_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_real_one, reset),
        cmocka_unit_test_setup(names_and_symbols_are_needed, reset),
        cmocka_unit_test_setup(no_vdso_means_the_kernel, reset),
    };
    return cmocka_run_group_tests(tests, find_vdso, NULL);
}
