/*
 * sys/abi.h: the kernel's interface as this library uses it: structures, flags and error numbers.
 *
 * Our own definitions, so that no libc or kernel header is needed and both builds see the same.
 * Everything has the kernel's name behind rn_k_ or RN_K_, so that none clashes with a libc's. What
 * is not the same on every architecture is in sys/arch/; io_uring is in sys/abi_uring.h, which this
 * includes. tests/unit/test_abi.c holds all of it against the headers of the system.
 */
#ifndef SYS_ABI_H
#define SYS_ABI_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include "sys/arch/x86_64.h"
#elif defined(__aarch64__)
#include "sys/arch/aarch64.h"
#else
#error "no sys/arch header for this architecture"
#endif

/* Error numbers, errno(3). A system call returns them negated. */
#define RN_K_EPERM                         1
#define RN_K_ENOENT                        2
#define RN_K_ESRCH                         3
#define RN_K_EINTR                         4
#define RN_K_EIO                           5
#define RN_K_ENXIO                         6
#define RN_K_E2BIG                         7
#define RN_K_ENOEXEC                       8
#define RN_K_EBADF                         9
#define RN_K_ECHILD                        10
#define RN_K_EAGAIN                        11
#define RN_K_ENOMEM                        12
#define RN_K_EACCES                        13
#define RN_K_EFAULT                        14
#define RN_K_EBUSY                         16
#define RN_K_EEXIST                        17
#define RN_K_EXDEV                         18
#define RN_K_ENODEV                        19
#define RN_K_ENOTDIR                       20
#define RN_K_EISDIR                        21
#define RN_K_EINVAL                        22
#define RN_K_ENFILE                        23
#define RN_K_EMFILE                        24
#define RN_K_EFBIG                         27
#define RN_K_ENOSPC                        28
#define RN_K_ESPIPE                        29
#define RN_K_EROFS                         30
#define RN_K_EPIPE                         32
#define RN_K_EDOM                          33
#define RN_K_ERANGE                        34
#define RN_K_EDEADLK                       35
#define RN_K_ENAMETOOLONG                  36
#define RN_K_ENOSYS                        38
#define RN_K_ENOTEMPTY                     39
#define RN_K_ELOOP                         40
#define RN_K_ETIME                         62
#define RN_K_EPROTO                        71
#define RN_K_EOVERFLOW                     75
#define RN_K_ENOTSOCK                      88
#define RN_K_EDESTADDRREQ                  89
#define RN_K_EMSGSIZE                      90
#define RN_K_ENOPROTOOPT                   92
#define RN_K_EPROTOTYPE                    91
#define RN_K_EPROTONOSUPPORT               93
#define RN_K_EOPNOTSUPP                    95
#define RN_K_EAFNOSUPPORT                  97
#define RN_K_EADDRINUSE                    98
#define RN_K_EADDRNOTAVAIL                 99
#define RN_K_ENETDOWN                      100
#define RN_K_ENETUNREACH                   101
#define RN_K_ECONNABORTED                  103
#define RN_K_ECONNRESET                    104
#define RN_K_ENOBUFS                       105
#define RN_K_EISCONN                       106
#define RN_K_ENOTCONN                      107
#define RN_K_ESHUTDOWN                     108
#define RN_K_ETIMEDOUT                     110
#define RN_K_ECONNREFUSED                  111
#define RN_K_EHOSTUNREACH                  113
#define RN_K_EALREADY                      114
#define RN_K_EINPROGRESS                   115
#define RN_K_EDQUOT                        122
#define RN_K_ECANCELED                     125

/* Address families. */
#define RN_K_AF_UNSPEC                     0
#define RN_K_AF_UNIX                       1
#define RN_K_AF_INET                       2
#define RN_K_AF_INET6                      10
#define RN_K_AF_PACKET                     17
#define RN_K_AF_XDP                        44

/* Socket types and listen. */
#define RN_K_SOCK_STREAM                   1
#define RN_K_SOCK_DGRAM                    2
#define RN_K_SOCK_RAW                      3
#define RN_K_SOCK_SEQPACKET                5
#define RN_K_SOCK_NONBLOCK                 0x800
#define RN_K_SOCK_CLOEXEC                  0x80000
#define RN_K_SOMAXCONN                     4096

/* Protocols and levels (ip(7), ipv6(7), tcp(7), udp(7)). */
#define RN_K_IPPROTO_IP                    0
#define RN_K_IPPROTO_ICMP                  1
#define RN_K_IPPROTO_TCP                   6
#define RN_K_IPPROTO_UDP                   17
#define RN_K_IPPROTO_IPV6                  41
#define RN_K_IPPROTO_ICMPV6                58

/* SOL_SOCKET options, socket(7). */
#define RN_K_SOL_SOCKET                    1
#define RN_K_SO_REUSEADDR                  2
#define RN_K_SO_TYPE                       3
#define RN_K_SO_ERROR                      4
#define RN_K_SO_BROADCAST                  6
#define RN_K_SO_SNDBUF                     7
#define RN_K_SO_RCVBUF                     8
#define RN_K_SO_KEEPALIVE                  9
#define RN_K_SO_LINGER                     13
#define RN_K_SO_REUSEPORT                  15
#define RN_K_SO_PASSCRED                   16
#define RN_K_SO_PEERCRED                   17
#define RN_K_SO_RCVLOWAT                   18
#define RN_K_SO_SNDLOWAT                   19
#define RN_K_SO_ACCEPTCONN                 30
#define RN_K_SO_PROTOCOL                   38
#define RN_K_SO_DOMAIN                     39
#define RN_K_SO_RXQ_OVFL                   40
#define RN_K_SO_BUSY_POLL                  46
#define RN_K_SO_INCOMING_CPU               49
#define RN_K_SO_INCOMING_NAPI_ID           56
#define RN_K_SO_ZEROCOPY                   60
#define RN_K_SO_ATTACH_FILTER              26
#define RN_K_SO_ATTACH_REUSEPORT_CBPF      51
#define RN_K_SO_ATTACH_REUSEPORT_EBPF      52
#define RN_K_SO_PREFER_BUSY_POLL           69
#define RN_K_SO_BUSY_POLL_BUDGET           70

/* IPPROTO_TCP options, tcp(7). */
#define RN_K_TCP_NODELAY                   1
#define RN_K_TCP_MAXSEG                    2
#define RN_K_TCP_CORK                      3
#define RN_K_TCP_KEEPIDLE                  4
#define RN_K_TCP_KEEPINTVL                 5
#define RN_K_TCP_KEEPCNT                   6
#define RN_K_TCP_SYNCNT                    7
#define RN_K_TCP_LINGER2                   8
#define RN_K_TCP_DEFER_ACCEPT              9
#define RN_K_TCP_WINDOW_CLAMP              10
#define RN_K_TCP_INFO                      11
#define RN_K_TCP_QUICKACK                  12
#define RN_K_TCP_CONGESTION                13
#define RN_K_TCP_USER_TIMEOUT              18
#define RN_K_TCP_FASTOPEN                  23
#define RN_K_TCP_NOTSENT_LOWAT             25
#define RN_K_TCP_ULP                       31

/* IPPROTO_IP options, ip(7). */
#define RN_K_IP_TTL                        2
#define RN_K_IP_TOS                        1
#define RN_K_IP_PKTINFO                    8
#define RN_K_IP_MTU_DISCOVER               10
#define RN_K_IP_RECVERR                    11
#define RN_K_IP_RECVTOS                    13
#define RN_K_IP_FREEBIND                   15
#define RN_K_IP_TRANSPARENT                19
#define RN_K_IP_BIND_ADDRESS_NO_PORT       24
#define RN_K_IP_PMTUDISC_DO                2
#define RN_K_IP_MULTICAST_IF               32
#define RN_K_IP_MULTICAST_TTL              33
#define RN_K_IP_MULTICAST_LOOP             34
#define RN_K_IP_ADD_MEMBERSHIP             35
#define RN_K_IP_DROP_MEMBERSHIP            36

/* IPPROTO_IPV6 options, ipv6(7). */
#define RN_K_IPV6_UNICAST_HOPS             16
#define RN_K_IPV6_MULTICAST_IF             17
#define RN_K_IPV6_MULTICAST_HOPS           18
#define RN_K_IPV6_MULTICAST_LOOP           19
#define RN_K_IPV6_ADD_MEMBERSHIP           20
#define RN_K_IPV6_DROP_MEMBERSHIP          21
#define RN_K_IPV6_MTU_DISCOVER             23
#define RN_K_IPV6_RECVERR                  25
#define RN_K_IPV6_V6ONLY                   26
#define RN_K_IPV6_RECVPKTINFO              49
#define RN_K_IPV6_PKTINFO                  50
#define RN_K_IPV6_RECVTCLASS               66
#define RN_K_IPV6_TCLASS                   67

/* IPPROTO_UDP options, udp(7). */
#define RN_K_UDP_CORK                      1
#define RN_K_UDP_SEGMENT                   103
#define RN_K_UDP_GRO                       104

/* Control messages. */
#define RN_K_SCM_RIGHTS                    1
#define RN_K_SCM_CREDENTIALS               2

/* Message flags, send(2) and recv(2). */
#define RN_K_MSG_OOB                       0x1
#define RN_K_MSG_PEEK                      0x2
#define RN_K_MSG_CTRUNC                    0x8
#define RN_K_MSG_TRUNC                     0x20
#define RN_K_MSG_DONTWAIT                  0x40
#define RN_K_MSG_EOR                       0x80
#define RN_K_MSG_WAITALL                   0x100
#define RN_K_MSG_ERRQUEUE                  0x2000
#define RN_K_MSG_NOSIGNAL                  0x4000
#define RN_K_MSG_MORE                      0x8000
#define RN_K_MSG_WAITFORONE                0x10000
#define RN_K_MSG_ZEROCOPY                  0x4000000
#define RN_K_MSG_FASTOPEN                  0x20000000
#define RN_K_MSG_CMSG_CLOEXEC              0x40000000

/* shutdown(2). */
#define RN_K_SHUT_RD                       0
#define RN_K_SHUT_WR                       1
#define RN_K_SHUT_RDWR                     2

/* open(2); O_DIRECTORY, O_NOFOLLOW, O_DIRECT and O_TMPFILE are in the arch header, they differ. */
#define RN_K_O_RDONLY                      0x0
#define RN_K_O_WRONLY                      0x1
#define RN_K_O_RDWR                        0x2
#define RN_K_O_CREAT                       0x40
#define RN_K_O_EXCL                        0x80
#define RN_K_O_NOCTTY                      0x100
#define RN_K_O_TRUNC                       0x200
#define RN_K_O_APPEND                      0x400
#define RN_K_O_NONBLOCK                    0x800
#define RN_K_O_DSYNC                       0x1000
#define RN_K_O_CLOEXEC                     0x80000
#define RN_K_O_NOATIME                     0x40000
#define RN_K_O_PATH                        0x200000

/* openat(2), unlinkat(2), statx(2). */
#define RN_K_AT_FDCWD                      (-100)
#define RN_K_AT_SYMLINK_NOFOLLOW           0x100
#define RN_K_AT_REMOVEDIR                  0x200
#define RN_K_AT_SYMLINK_FOLLOW             0x400
#define RN_K_AT_NO_AUTOMOUNT               0x800
#define RN_K_AT_EMPTY_PATH                 0x1000
#define RN_K_RENAME_NOREPLACE              1
/* flock(2). */
#define RN_K_LOCK_EX                       2
#define RN_K_LOCK_NB                       4
#define RN_K_SEEK_END                      2
#define RN_K_AT_STATX_SYNC_AS_STAT         0x0
#define RN_K_AT_STATX_FORCE_SYNC           0x2000
#define RN_K_AT_STATX_DONT_SYNC            0x4000

/* openat2(2). */
#define RN_K_RESOLVE_NO_XDEV               0x1
#define RN_K_RESOLVE_NO_MAGICLINKS         0x2
#define RN_K_RESOLVE_NO_SYMLINKS           0x4
#define RN_K_RESOLVE_BENEATH               0x8
#define RN_K_RESOLVE_IN_ROOT               0x10
#define RN_K_RESOLVE_CACHED                0x20

/* File types in st_mode. */
#define RN_K_S_IFMT                        0xf000
#define RN_K_S_IFSOCK                      0xc000
#define RN_K_S_IFLNK                       0xa000
#define RN_K_S_IFREG                       0x8000
#define RN_K_S_IFBLK                       0x6000
#define RN_K_S_IFDIR                       0x4000
#define RN_K_S_IFCHR                       0x2000
#define RN_K_S_IFIFO                       0x1000

/* statx(2) mask. */
#define RN_K_STATX_TYPE                    0x1u
#define RN_K_STATX_MODE                    0x2u
#define RN_K_STATX_NLINK                   0x4u
#define RN_K_STATX_UID                     0x8u
#define RN_K_STATX_GID                     0x10u
#define RN_K_STATX_ATIME                   0x20u
#define RN_K_STATX_MTIME                   0x40u
#define RN_K_STATX_CTIME                   0x80u
#define RN_K_STATX_INO                     0x100u
#define RN_K_STATX_SIZE                    0x200u
#define RN_K_STATX_BLOCKS                  0x400u
#define RN_K_STATX_BASIC_STATS             0x7ffu
#define RN_K_STATX_BTIME                   0x800u

/* fcntl(2). */
#define RN_K_F_DUPFD                       0
#define RN_K_F_GETFD                       1
#define RN_K_F_SETFD                       2
#define RN_K_F_GETFL                       3
#define RN_K_F_SETFL                       4
#define RN_K_F_DUPFD_CLOEXEC               1030
#define RN_K_F_SETPIPE_SZ                  1031
#define RN_K_F_GETPIPE_SZ                  1032
#define RN_K_FD_CLOEXEC                    1

/* splice(2). */
#define RN_K_SPLICE_F_MOVE                 0x1
#define RN_K_SPLICE_F_NONBLOCK             0x2
#define RN_K_SPLICE_F_MORE                 0x4

/* mmap(2), madvise(2). */
#define RN_K_PROT_NONE                     0x0
#define RN_K_PROT_READ                     0x1
#define RN_K_PROT_WRITE                    0x2
#define RN_K_PROT_EXEC                     0x4
#define RN_K_MAP_SHARED                    0x1
#define RN_K_MAP_PRIVATE                   0x2
#define RN_K_MAP_FIXED                     0x10
#define RN_K_MAP_ANONYMOUS                 0x20
#define RN_K_MAP_NORESERVE                 0x4000
#define RN_K_MAP_POPULATE                  0x8000
#define RN_K_MAP_STACK                     0x20000
#define RN_K_MAP_HUGETLB                   0x40000
#define RN_K_MAP_FIXED_NOREPLACE           0x100000
#define RN_K_MADV_DONTNEED                 4
#define RN_K_MADV_FREE                     8
#define RN_K_MADV_HUGEPAGE                 14
#define RN_K_MADV_NOHUGEPAGE               15
#define RN_K_MADV_WILLNEED                 3
#define RN_K_MADV_DONTDUMP                 16
#define RN_K_MADV_DONTFORK                 10

/* clone(2). */
#define RN_K_CLONE_VM                      0x100u
#define RN_K_CLONE_FS                      0x200u
#define RN_K_CLONE_FILES                   0x400u
#define RN_K_CLONE_SIGHAND                 0x800u
#define RN_K_CLONE_THREAD                  0x10000u
#define RN_K_CLONE_SYSVSEM                 0x40000u
#define RN_K_CLONE_SETTLS                  0x80000u
#define RN_K_CLONE_PARENT_SETTID           0x100000u
#define RN_K_CLONE_CHILD_CLEARTID          0x200000u
#define RN_K_CLONE_CHILD_SETTID            0x1000000u

/* futex(2). */
#define RN_K_FUTEX_WAIT                    0
#define RN_K_FUTEX_WAKE                    1
#define RN_K_FUTEX_PRIVATE_FLAG            128
#define RN_K_FUTEX_WAIT_BITSET             9
#define RN_K_FUTEX_CLOCK_REALTIME          256

/* Signals, signal(7). */
#define RN_K_SIGHUP                        1
#define RN_K_SIGINT                        2
#define RN_K_SIGQUIT                       3
#define RN_K_SIGILL                        4
#define RN_K_SIGTRAP                       5
#define RN_K_SIGABRT                       6
#define RN_K_SIGBUS                        7
#define RN_K_SIGFPE                        8
#define RN_K_SIGKILL                       9
#define RN_K_SIGUSR1                       10
#define RN_K_SIGSEGV                       11
#define RN_K_SIGUSR2                       12
#define RN_K_SIGPIPE                       13
#define RN_K_SIGALRM                       14
#define RN_K_SIGTERM                       15
#define RN_K_SIGCHLD                       17
#define RN_K_SIGCONT                       18
#define RN_K_SIGSTOP                       19
#define RN_K_SIGTSTP                       20
#define RN_K_SIGURG                        23
#define RN_K_SIGXFSZ                       25
#define RN_K_SIGWINCH                      28
#define RN_K_SIGIO                         29
#define RN_K_SIGSYS                        31
#define RN_K_SIG_BLOCK                     0
#define RN_K_SIG_UNBLOCK                   1
#define RN_K_SIG_SETMASK                   2
#define RN_K_SA_RESTART                    0x10000000
#define RN_K_SA_NODEFER                    0x40000000
#define RN_K_SA_SIGINFO                    0x4
#define RN_K_SA_ONSTACK                    0x8000000

/* eventfd(2), timerfd_create(2), signalfd(2). */
#define RN_K_EFD_SEMAPHORE                 0x1
#define RN_K_EFD_NONBLOCK                  0x800
#define RN_K_EFD_CLOEXEC                   0x80000
#define RN_K_TFD_NONBLOCK                  0x800
#define RN_K_TFD_CLOEXEC                   0x80000
#define RN_K_TFD_TIMER_ABSTIME             0x1
#define RN_K_SFD_NONBLOCK                  0x800
#define RN_K_SFD_CLOEXEC                   0x80000

/* epoll_ctl(2). */
#define RN_K_EPOLL_CTL_ADD                 1
#define RN_K_EPOLL_CTL_DEL                 2
#define RN_K_EPOLL_CTL_MOD                 3
#define RN_K_EPOLL_CLOEXEC                 0x80000
#define RN_K_EPOLLIN                       0x1u
#define RN_K_EPOLLPRI                      0x2u
#define RN_K_EPOLLOUT                      0x4u
#define RN_K_EPOLLERR                      0x8u
#define RN_K_EPOLLHUP                      0x10u
#define RN_K_EPOLLRDHUP                    0x2000u
#define RN_K_EPOLLEXCLUSIVE                0x10000000u
#define RN_K_EPOLLWAKEUP                   0x20000000u
#define RN_K_EPOLLONESHOT                  0x40000000u
#define RN_K_EPOLLET                       0x80000000u

/* poll(2). */
#define RN_K_POLLIN                        0x1
#define RN_K_POLLPRI                       0x2
#define RN_K_POLLOUT                       0x4
#define RN_K_POLLERR                       0x8
#define RN_K_POLLHUP                       0x10
#define RN_K_POLLNVAL                      0x20
#define RN_K_POLLRDHUP                     0x2000

/* Clocks, clock_gettime(2). */
#define RN_K_CLOCK_REALTIME                0
#define RN_K_CLOCK_MONOTONIC               1
#define RN_K_CLOCK_MONOTONIC_RAW           4
#define RN_K_CLOCK_REALTIME_COARSE         5
#define RN_K_CLOCK_MONOTONIC_COARSE        6
#define RN_K_CLOCK_BOOTTIME                7
#define RN_K_TIMER_ABSTIME                 1

/* getrlimit(2). */
#define RN_K_RLIMIT_STACK                  3
#define RN_K_RLIMIT_CORE                   4
#define RN_K_RLIMIT_NOFILE                 7
#define RN_K_RLIMIT_MEMLOCK                8
#define RN_K_RLIMIT_AS                     9

/* prctl(2). */
#define RN_K_PR_SET_NAME                   15
#define RN_K_PR_SET_PDEATHSIG              1
#define RN_K_PR_SET_NO_NEW_PRIVS           38
#define RN_K_PR_SET_DUMPABLE               4

/* getdents64(2), d_type. */
#define RN_K_DT_UNKNOWN                    0
#define RN_K_DT_FIFO                       1
#define RN_K_DT_CHR                        2
#define RN_K_DT_DIR                        4
#define RN_K_DT_BLK                        6
#define RN_K_DT_REG                        8
#define RN_K_DT_LNK                        10
#define RN_K_DT_SOCK                       12

/* ioctl_tty(2), ioctl(2). */
#define RN_K_FIONREAD                      0x541b
#define RN_K_TIOCGWINSZ                    0x5413
#define RN_K_FIONBIO                       0x5421

/* getauxval(3) and the ELF of the program and of the vDSO, elf(5). */
#define RN_K_AT_NULL                       0
#define RN_K_AT_PHDR                       3
#define RN_K_AT_PHENT                      4
#define RN_K_AT_PHNUM                      5
#define RN_K_AT_PAGESZ                     6
#define RN_K_AT_SYSINFO_EHDR               0x21
#define RN_K_AT_HWCAP                      16
#define RN_K_AT_RANDOM                     25
#define RN_K_AT_HWCAP2                     26
#define RN_K_PT_LOAD                       1
#define RN_K_PT_DYNAMIC                    2
#define RN_K_DT_NULL                       0
#define RN_K_DT_HASH                       4
#define RN_K_DT_STRTAB                     5
#define RN_K_DT_SYMTAB                     6
#define RN_K_DT_GNU_HASH                   0x6ffffef5

/* Socket addresses. Ports and IPv4 addresses are in network byte order. */
struct rn_k_sockaddr {
    uint16_t sa_family;
    char sa_data[14];
};

struct rn_k_in_addr {
    uint32_t s_addr;
};

struct rn_k_sockaddr_in {
    uint16_t sin_family;
    uint16_t sin_port;
    struct rn_k_in_addr sin_addr;
    uint8_t sin_zero[8];
};

/* A libc's header may have made macros of the kernel's names for these. */
struct rn_k_in6_addr {
    union {
        uint8_t octets[16];
        uint32_t words[4];
#ifndef s6_addr
        uint8_t s6_addr[16];
#endif
    };
};

struct rn_k_sockaddr_in6 {
    uint16_t sin6_family;
    uint16_t sin6_port;
    uint32_t sin6_flowinfo;
    struct rn_k_in6_addr sin6_addr;
    uint32_t sin6_scope_id;
};

struct rn_k_sockaddr_un {
    uint16_t sun_family;
    char sun_path[108];
};

struct rn_k_sockaddr_storage {
    union {
        uint16_t ss_family;
        struct rn_k_sockaddr sa;
        struct rn_k_sockaddr_in in;
        struct rn_k_sockaddr_in6 in6;
        struct rn_k_sockaddr_un un;
        uint64_t align;
        uint8_t bytes[128];
    };
};

struct rn_k_linger {
    int32_t l_onoff;
    int32_t l_linger;
};

struct rn_k_ip_mreqn {
    struct rn_k_in_addr imr_multiaddr;
    struct rn_k_in_addr imr_address;
    int32_t imr_ifindex;
};

struct rn_k_ipv6_mreq {
    struct rn_k_in6_addr ipv6mr_multiaddr;
    int32_t ipv6mr_interface;
};

/* netdevice(7) */
#define RN_K_SIOCGIFNAME                   0x8910
#define RN_K_SIOCGIFINDEX                  0x8933

struct rn_k_ifreq {
    char name[16]; /* its fields are macros in the libc */
    union {
        int32_t index;
        uint64_t room[3];
    };
};

struct rn_k_ucred {
    int32_t pid;
    uint32_t uid;
    uint32_t gid;
};

struct rn_k_in_pktinfo {
    int32_t ipi_ifindex;
    struct rn_k_in_addr ipi_spec_dst;
    struct rn_k_in_addr ipi_addr;
};

struct rn_k_in6_pktinfo {
    struct rn_k_in6_addr ipi6_addr;
    int32_t ipi6_ifindex;
};

/* Messages, sendmsg(2). */
struct rn_k_iovec {
    void *iov_base;
    size_t iov_len;
};

struct rn_k_msghdr {
    void *msg_name;
    int32_t msg_namelen;
    struct rn_k_iovec *msg_iov;
    size_t msg_iovlen;
    void *msg_control;
    size_t msg_controllen;
    uint32_t msg_flags;
};

struct rn_k_mmsghdr {
    struct rn_k_msghdr msg_hdr;
    uint32_t msg_len;
};

struct rn_k_cmsghdr {
    size_t cmsg_len;
    int32_t cmsg_level;
    int32_t cmsg_type;
};

#define RN_K_CMSG_ALIGN(len) (((len) + 7) & ~(size_t)7)
#define RN_K_CMSG_LEN(len)   (sizeof(struct rn_k_cmsghdr) + (len))
#define RN_K_CMSG_SPACE(len) (sizeof(struct rn_k_cmsghdr) + RN_K_CMSG_ALIGN(len))

/* Readiness. */
struct rn_k_epoll_event {
    uint32_t events;
    uint64_t data;
} RN_K_EPOLL_PACKED;

struct rn_k_pollfd {
    int32_t fd;
    int16_t events;
    int16_t revents;
};

/* Time. */
struct rn_k_timespec {
    int64_t tv_sec;
    int64_t tv_nsec;
};

struct rn_k_itimerspec {
    struct rn_k_timespec it_interval;
    struct rn_k_timespec it_value;
};

/* Files. */
struct rn_k_statx_timestamp {
    int64_t tv_sec;
    uint32_t tv_nsec;
    int32_t reserved;
};

struct rn_k_statx {
    uint32_t stx_mask;
    uint32_t stx_blksize;
    uint64_t stx_attributes;
    uint32_t stx_nlink;
    uint32_t stx_uid;
    uint32_t stx_gid;
    uint16_t stx_mode;
    uint16_t spare0;
    uint64_t stx_ino;
    uint64_t stx_size;
    uint64_t stx_blocks;
    uint64_t stx_attributes_mask;
    struct rn_k_statx_timestamp stx_atime;
    struct rn_k_statx_timestamp stx_btime;
    struct rn_k_statx_timestamp stx_ctime;
    struct rn_k_statx_timestamp stx_mtime;
    uint32_t stx_rdev_major;
    uint32_t stx_rdev_minor;
    uint32_t stx_dev_major;
    uint32_t stx_dev_minor;
    uint64_t stx_mnt_id;
    uint64_t spare3[13];
};

struct rn_k_open_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

struct rn_k_dirent64 {
    uint64_t d_ino;
    int64_t d_off;
    uint16_t d_reclen;
    uint8_t d_type;
    char d_name[];
};

/* Signals: a set is one uint64_t with bit (signal - 1); calls that take one take its size too. */
#define RN_K_SIGSET_SIZE                   8
#define RN_K_SIG_DFL     ((void (*)(int))0)
#define RN_K_SIG_IGN     ((void (*)(int))1)

struct rn_k_sigaction {
    void (*handler)(int); /* not sa_handler, which libcs make a macro */
    unsigned long sa_flags;
    void (*sa_restorer)(void);
    uint64_t sa_mask;
};

struct rn_k_signalfd_siginfo {
    uint32_t ssi_signo;
    int32_t ssi_errno;
    int32_t ssi_code;
    uint32_t ssi_pid;
    uint32_t ssi_uid;
    int32_t ssi_fd;
    uint8_t rest[104];
};

struct rn_k_rlimit {
    uint64_t rlim_cur;
    uint64_t rlim_max;
};

#define RN_K_RLIM_INFINITY                 UINT64_MAX

struct rn_k_utsname {
    char sysname[65];
    char nodename[65];
    char release[65];
    char version[65];
    char machine[65];
    char domainname[65];
};

#include "sys/abi_sandbox.h"
#include "sys/abi_uring.h"

#endif
