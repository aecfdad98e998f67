/*
 * sys/abi_sandbox.h: the kernel's interface for giving up rights: landlock(7), seccomp(2) and its
 * filters.
 */
#ifndef SYS_ABI_SANDBOX_H
#define SYS_ABI_SANDBOX_H

#include <stdint.h>

#define RN_K_PR_SET_NO_NEW_PRIVS             38

/* linux/landlock.h */
#define RN_K_LANDLOCK_CREATE_RULESET_VERSION 1
#define RN_K_LANDLOCK_RULE_PATH_BENEATH      1
#define RN_K_LANDLOCK_WRITE_FILE             (1ull << 1)
#define RN_K_LANDLOCK_READ_FILE              (1ull << 2)
#define RN_K_LANDLOCK_READ_DIR               (1ull << 3)
#define RN_K_LANDLOCK_REMOVE_FILE            (1ull << 5)
#define RN_K_LANDLOCK_MAKE_REG               (1ull << 8)
#define RN_K_LANDLOCK_BIND_TCP               (1ull << 0)
#define RN_K_LANDLOCK_CONNECT_TCP            (1ull << 1)
#define RN_K_LANDLOCK_SCOPE_ABSTRACT_UNIX    (1ull << 0)
#define RN_K_LANDLOCK_SCOPE_SIGNAL           (1ull << 1)

/* Kernels that know less of it take it as long as the rest is 0. */
struct rn_k_landlock_ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

struct rn_k_landlock_path_beneath {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

/* linux/seccomp.h */
#define RN_K_SECCOMP_SET_MODE_FILTER         1
#define RN_K_SECCOMP_FILTER_TSYNC            1u
#define RN_K_SECCOMP_FILTER_SPEC_ALLOW       4u
#define RN_K_SECCOMP_RET_KILL_PROCESS        0x80000000u
#define RN_K_SECCOMP_RET_ALLOW               0x7fff0000u

struct rn_k_seccomp_data {
    int32_t nr;
    uint32_t arch;
    uint64_t instruction_pointer;
    uint64_t args[6];
};

/* linux/filter.h, linux/bpf_common.h: the classic machine. */
#define RN_K_BPF_LOAD                        0x20 /* BPF_LD | BPF_W | BPF_ABS */
#define RN_K_BPF_JUMP_EQUAL                  0x15 /* BPF_JMP | BPF_JEQ | BPF_K */
#define RN_K_BPF_RET                         0x06 /* BPF_RET | BPF_K */

struct rn_k_sock_filter {
    uint16_t code;
    uint8_t jt;
    uint8_t jf;
    uint32_t k;
};

struct rn_k_sock_program {
    uint16_t len;
    struct rn_k_sock_filter *filter;
};

#endif
