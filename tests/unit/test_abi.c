/*
 * The kernel's interface as we define it against the headers of this system, at compile time; and
 * what is younger than those headers against the kernel that runs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/utsname.h>

#include "sys/sys.h"

#define SAME(name) _Static_assert((int64_t)(name) == (int64_t)RN_K_##name, #name);
#define NUMBER(ours, theirs) _Static_assert(RN_NR_##ours == __NR_##theirs, #theirs);
#define SIZE(name) _Static_assert(sizeof(struct name) == sizeof(struct rn_k_##name), #name);
#define FIELD(type, name)                                                                          \
    _Static_assert(offsetof(struct type, name) == offsetof(struct rn_k_##type, name) &&            \
                       sizeof(((struct type *)0)->name) ==                                         \
                           sizeof(((struct rn_k_##type *)0)->name),                                \
                   #type "." #name);

/* clang-format off */
SAME(EPERM) SAME(ENOENT) SAME(ESRCH) SAME(EINTR) SAME(EIO) SAME(E2BIG) SAME(ENOEXEC) SAME(EBADF)
SAME(ECHILD) SAME(EAGAIN) SAME(ENOMEM) SAME(EACCES) SAME(EFAULT) SAME(EBUSY) SAME(EEXIST)
SAME(EXDEV) SAME(ENODEV) SAME(ENOTDIR) SAME(EISDIR) SAME(EINVAL) SAME(ENFILE) SAME(EMFILE)
SAME(ENOTEMPTY) SAME(EDOM) SAME(EPROTOTYPE) SAME(ENXIO)
SAME(EFBIG) SAME(ENOSPC) SAME(ESPIPE) SAME(EROFS) SAME(EPIPE) SAME(ERANGE) SAME(EDEADLK)
SAME(ENAMETOOLONG) SAME(ENOSYS) SAME(ELOOP) SAME(ETIME) SAME(EPROTO) SAME(EOVERFLOW)
SAME(ENOTSOCK) SAME(EDESTADDRREQ) SAME(EMSGSIZE) SAME(ENOPROTOOPT) SAME(EPROTONOSUPPORT)
SAME(EOPNOTSUPP) SAME(EAFNOSUPPORT) SAME(EADDRINUSE) SAME(EADDRNOTAVAIL) SAME(ENETDOWN)
SAME(ENETUNREACH) SAME(ECONNABORTED) SAME(ECONNRESET) SAME(ENOBUFS) SAME(EISCONN) SAME(ENOTCONN)
SAME(ESHUTDOWN) SAME(ETIMEDOUT) SAME(ECONNREFUSED) SAME(EHOSTUNREACH) SAME(EALREADY)
SAME(EINPROGRESS) SAME(EDQUOT) SAME(ECANCELED) SAME(AF_UNSPEC) SAME(AF_UNIX) SAME(AF_INET)
SAME(AF_INET6) SAME(AF_PACKET) SAME(AF_XDP) SAME(SOCK_STREAM) SAME(SOCK_DGRAM) SAME(SOCK_RAW)
SAME(SOCK_SEQPACKET) SAME(SOCK_NONBLOCK) SAME(SOCK_CLOEXEC) SAME(SOMAXCONN) SAME(IPPROTO_IP)
SAME(IPPROTO_ICMP) SAME(IPPROTO_TCP) SAME(IPPROTO_UDP) SAME(IPPROTO_IPV6) SAME(IPPROTO_ICMPV6)
SAME(SOL_SOCKET) SAME(SO_REUSEADDR) SAME(SO_TYPE) SAME(SO_ERROR) SAME(SO_BROADCAST)
SAME(SO_SNDBUF) SAME(SO_RCVBUF) SAME(SO_KEEPALIVE) SAME(SO_LINGER) SAME(SO_REUSEPORT)
SAME(SO_PASSCRED) SAME(SO_PEERCRED) SAME(SO_RCVLOWAT) SAME(SO_SNDLOWAT) SAME(SO_ACCEPTCONN)
SAME(SO_PROTOCOL) SAME(SO_DOMAIN) SAME(SO_RXQ_OVFL) SAME(SO_BUSY_POLL) SAME(SO_INCOMING_CPU)
SAME(SO_INCOMING_NAPI_ID) SAME(SO_ZEROCOPY) SAME(SO_ATTACH_FILTER) SAME(SO_ATTACH_REUSEPORT_CBPF)
SAME(SO_ATTACH_REUSEPORT_EBPF) SAME(SO_PREFER_BUSY_POLL) SAME(SO_BUSY_POLL_BUDGET)
SAME(TCP_NODELAY) SAME(TCP_MAXSEG) SAME(TCP_CORK) SAME(TCP_KEEPIDLE) SAME(TCP_KEEPINTVL)
SAME(TCP_KEEPCNT) SAME(TCP_SYNCNT) SAME(TCP_LINGER2) SAME(TCP_DEFER_ACCEPT) SAME(TCP_WINDOW_CLAMP)
SAME(TCP_INFO) SAME(TCP_QUICKACK) SAME(TCP_CONGESTION) SAME(TCP_USER_TIMEOUT) SAME(TCP_FASTOPEN)
SAME(TCP_NOTSENT_LOWAT) SAME(TCP_ULP) SAME(IP_TTL) SAME(IP_TOS) SAME(IP_PKTINFO)
SAME(IP_MTU_DISCOVER) SAME(IP_RECVERR) SAME(IP_RECVTOS) SAME(IP_FREEBIND) SAME(IP_TRANSPARENT)
SAME(IP_BIND_ADDRESS_NO_PORT) SAME(IP_PMTUDISC_DO) SAME(IP_MULTICAST_IF) SAME(IP_MULTICAST_TTL)
SAME(IP_MULTICAST_LOOP) SAME(IP_ADD_MEMBERSHIP) SAME(IP_DROP_MEMBERSHIP) SAME(IPV6_UNICAST_HOPS)
SAME(IPV6_MULTICAST_IF) SAME(IPV6_MULTICAST_HOPS) SAME(IPV6_MULTICAST_LOOP)
SAME(IPV6_ADD_MEMBERSHIP) SAME(IPV6_DROP_MEMBERSHIP) SAME(IPV6_MTU_DISCOVER) SAME(IPV6_RECVERR)
SAME(IPV6_V6ONLY) SAME(IPV6_RECVPKTINFO) SAME(IPV6_PKTINFO) SAME(IPV6_RECVTCLASS)
SAME(IPV6_TCLASS) SAME(UDP_CORK) SAME(UDP_SEGMENT) SAME(UDP_GRO) SAME(SCM_RIGHTS)
SAME(SCM_CREDENTIALS) SAME(MSG_OOB) SAME(MSG_PEEK) SAME(MSG_CTRUNC) SAME(MSG_TRUNC)
SAME(MSG_DONTWAIT) SAME(MSG_EOR) SAME(MSG_WAITALL) SAME(MSG_ERRQUEUE) SAME(MSG_NOSIGNAL)
SAME(MSG_MORE) SAME(MSG_WAITFORONE) SAME(MSG_ZEROCOPY) SAME(MSG_FASTOPEN) SAME(MSG_CMSG_CLOEXEC)
SAME(SHUT_RD) SAME(SHUT_WR) SAME(SHUT_RDWR) SAME(O_RDONLY) SAME(O_WRONLY) SAME(O_RDWR)
SAME(O_CREAT) SAME(O_EXCL) SAME(O_NOCTTY) SAME(O_TRUNC) SAME(O_APPEND) SAME(O_NONBLOCK)
SAME(O_DSYNC) SAME(O_CLOEXEC) SAME(O_NOATIME) SAME(O_PATH) SAME(AT_FDCWD)
SAME(AT_SYMLINK_NOFOLLOW) SAME(AT_REMOVEDIR) SAME(AT_SYMLINK_FOLLOW) SAME(AT_NO_AUTOMOUNT)
SAME(SEEK_END) SAME(AT_EMPTY_PATH) SAME(AT_STATX_SYNC_AS_STAT) SAME(AT_STATX_FORCE_SYNC)
SAME(AT_STATX_DONT_SYNC) SAME(RENAME_NOREPLACE) SAME(LOCK_EX) SAME(LOCK_NB)
SAME(TIOCGWINSZ)
SAME(RESOLVE_NO_XDEV) SAME(RESOLVE_NO_MAGICLINKS) SAME(RESOLVE_NO_SYMLINKS) SAME(RESOLVE_BENEATH)
SAME(RESOLVE_IN_ROOT) SAME(RESOLVE_CACHED) SAME(S_IFMT) SAME(S_IFSOCK) SAME(S_IFLNK) SAME(S_IFREG)
SAME(S_IFBLK) SAME(S_IFDIR) SAME(S_IFCHR) SAME(S_IFIFO) SAME(STATX_TYPE) SAME(STATX_MODE)
SAME(STATX_NLINK) SAME(STATX_UID) SAME(STATX_GID) SAME(STATX_ATIME) SAME(STATX_MTIME)
SAME(STATX_CTIME) SAME(STATX_INO) SAME(STATX_SIZE) SAME(STATX_BLOCKS) SAME(STATX_BASIC_STATS)
SAME(STATX_BTIME) SAME(F_DUPFD) SAME(F_GETFD) SAME(F_SETFD) SAME(F_GETFL) SAME(F_SETFL)
SAME(F_DUPFD_CLOEXEC) SAME(F_SETPIPE_SZ) SAME(F_GETPIPE_SZ) SAME(FD_CLOEXEC) SAME(SPLICE_F_MOVE)
SAME(SPLICE_F_NONBLOCK) SAME(SPLICE_F_MORE) SAME(PROT_NONE) SAME(PROT_READ) SAME(PROT_WRITE)
SAME(PROT_EXEC) SAME(MAP_SHARED) SAME(MAP_PRIVATE) SAME(MAP_FIXED) SAME(MAP_ANONYMOUS)
SAME(MAP_NORESERVE) SAME(MAP_POPULATE) SAME(MAP_STACK) SAME(MAP_HUGETLB) SAME(MAP_FIXED_NOREPLACE)
SAME(MADV_DONTNEED) SAME(MADV_FREE) SAME(MADV_HUGEPAGE) SAME(MADV_NOHUGEPAGE) SAME(MADV_WILLNEED)
SAME(MADV_DONTDUMP) SAME(MADV_DONTFORK) SAME(CLONE_VM) SAME(CLONE_FS) SAME(CLONE_FILES)
SAME(CLONE_SIGHAND) SAME(CLONE_THREAD) SAME(CLONE_SYSVSEM) SAME(CLONE_SETTLS)
SAME(CLONE_PARENT_SETTID) SAME(CLONE_CHILD_CLEARTID) SAME(CLONE_CHILD_SETTID) SAME(FUTEX_WAIT)
SAME(FUTEX_WAKE) SAME(FUTEX_PRIVATE_FLAG) SAME(FUTEX_WAIT_BITSET) SAME(FUTEX_CLOCK_REALTIME)
SAME(SIGHUP) SAME(SIGINT) SAME(SIGQUIT) SAME(SIGILL) SAME(SIGTRAP) SAME(SIGABRT) SAME(SIGBUS)
SAME(SIGFPE) SAME(SIGKILL) SAME(SIGUSR1) SAME(SIGSEGV) SAME(SIGUSR2) SAME(SIGPIPE) SAME(SIGALRM)
SAME(SIGWINCH) SAME(SIGXFSZ)
SAME(SIGTERM) SAME(SIGCHLD) SAME(SIGCONT) SAME(SIGSTOP) SAME(SIGTSTP) SAME(SIGURG) SAME(SIGIO)
SAME(SIGSYS) SAME(SIG_BLOCK) SAME(SIG_UNBLOCK) SAME(SIG_SETMASK) SAME(SA_RESTART) SAME(SA_NODEFER)
SAME(SA_SIGINFO) SAME(SA_ONSTACK) SAME(EFD_SEMAPHORE) SAME(EFD_NONBLOCK) SAME(EFD_CLOEXEC)
SAME(TFD_NONBLOCK) SAME(TFD_CLOEXEC) SAME(TFD_TIMER_ABSTIME) SAME(SFD_NONBLOCK) SAME(SFD_CLOEXEC)
SAME(EPOLL_CTL_ADD) SAME(EPOLL_CTL_DEL) SAME(EPOLL_CTL_MOD) SAME(EPOLL_CLOEXEC) SAME(EPOLLIN)
SAME(EPOLLPRI) SAME(EPOLLOUT) SAME(EPOLLERR) SAME(EPOLLHUP) SAME(EPOLLRDHUP) SAME(EPOLLEXCLUSIVE)
SAME(EPOLLWAKEUP) SAME(EPOLLONESHOT) SAME(EPOLLET) SAME(POLLIN) SAME(POLLPRI) SAME(POLLOUT)
SAME(POLLERR) SAME(POLLHUP) SAME(POLLNVAL) SAME(POLLRDHUP) SAME(CLOCK_REALTIME)
SAME(CLOCK_MONOTONIC) SAME(CLOCK_MONOTONIC_RAW) SAME(CLOCK_REALTIME_COARSE)
SAME(CLOCK_MONOTONIC_COARSE) SAME(CLOCK_BOOTTIME) SAME(TIMER_ABSTIME) SAME(RLIMIT_STACK)
SAME(RLIMIT_CORE) SAME(RLIMIT_NOFILE) SAME(RLIMIT_MEMLOCK) SAME(RLIMIT_AS) SAME(PR_SET_NAME)
SAME(PR_SET_PDEATHSIG) SAME(PR_SET_NO_NEW_PRIVS) SAME(PR_SET_DUMPABLE) SAME(DT_UNKNOWN)
SAME(DT_FIFO) SAME(DT_CHR) SAME(DT_DIR) SAME(DT_BLK) SAME(DT_REG) SAME(DT_LNK) SAME(DT_SOCK)
SAME(FIONREAD) SAME(FIONBIO) SAME(AT_NULL) SAME(AT_PHDR) SAME(AT_PHENT) SAME(AT_PHNUM)
SAME(AT_PAGESZ) SAME(AT_SYSINFO_EHDR) SAME(AT_RANDOM) SAME(AT_HWCAP) SAME(PT_LOAD)
SAME(PT_DYNAMIC) SAME(DT_NULL) SAME(DT_HASH) SAME(DT_STRTAB) SAME(DT_SYMTAB)
SAME(DT_GNU_HASH) SAME(O_DIRECTORY) SAME(O_NOFOLLOW) SAME(O_DIRECT)

/* System calls. */
NUMBER(READ, read) NUMBER(WRITE, write) NUMBER(READV, readv) NUMBER(WRITEV, writev)
NUMBER(LSEEK, lseek) NUMBER(PREAD64, pread64) NUMBER(PWRITE64, pwrite64) NUMBER(CLOSE, close)
NUMBER(OPENAT, openat)
NUMBER(OPENAT2, openat2) NUMBER(STATX, statx) NUMBER(GETDENTS64, getdents64)
NUMBER(SOCKET, socket) NUMBER(BIND, bind) NUMBER(LISTEN, listen) NUMBER(ACCEPT4, accept4)
NUMBER(CONNECT, connect) NUMBER(SHUTDOWN, shutdown) NUMBER(GETSOCKNAME, getsockname)
NUMBER(GETPEERNAME, getpeername) NUMBER(SETSOCKOPT, setsockopt) NUMBER(GETSOCKOPT, getsockopt)
NUMBER(SENDTO, sendto) NUMBER(RECVFROM, recvfrom) NUMBER(SENDMSG, sendmsg)
NUMBER(RECVMSG, recvmsg) NUMBER(RECVMMSG, recvmmsg) NUMBER(SENDMMSG, sendmmsg)
NUMBER(SENDFILE, sendfile) NUMBER(SPLICE, splice) NUMBER(PIPE2, pipe2)
NUMBER(EPOLL_CREATE1, epoll_create1) NUMBER(EPOLL_CTL, epoll_ctl) NUMBER(EPOLL_PWAIT, epoll_pwait)
NUMBER(EPOLL_PWAIT2, epoll_pwait2) NUMBER(PPOLL, ppoll) NUMBER(EVENTFD2, eventfd2)
NUMBER(TIMERFD_CREATE, timerfd_create) NUMBER(TIMERFD_SETTIME, timerfd_settime)
NUMBER(SIGNALFD4, signalfd4) NUMBER(RT_SIGACTION, rt_sigaction)
NUMBER(RT_SIGPROCMASK, rt_sigprocmask) NUMBER(RT_SIGTIMEDWAIT, rt_sigtimedwait) NUMBER(KILL, kill)
NUMBER(TGKILL, tgkill) NUMBER(GETPID, getpid) NUMBER(GETTID, gettid)
NUMBER(IO_URING_SETUP, io_uring_setup) NUMBER(IO_URING_ENTER, io_uring_enter)
NUMBER(IO_URING_REGISTER, io_uring_register) NUMBER(MMAP, mmap) NUMBER(MUNMAP, munmap)
NUMBER(MPROTECT, mprotect) NUMBER(MADVISE, madvise) NUMBER(MREMAP, mremap) NUMBER(FUTEX, futex)
NUMBER(PRLIMIT64, prlimit64) NUMBER(GETRANDOM, getrandom) NUMBER(CLOCK_GETTIME, clock_gettime)
NUMBER(CLOCK_NANOSLEEP, clock_nanosleep) NUMBER(NANOSLEEP, nanosleep)
NUMBER(SCHED_GETAFFINITY, sched_getaffinity) NUMBER(SCHED_SETAFFINITY, sched_setaffinity)
NUMBER(SCHED_YIELD, sched_yield) NUMBER(EXIT, exit) NUMBER(EXIT_GROUP, exit_group)
NUMBER(CLONE, clone) NUMBER(UNLINKAT, unlinkat) NUMBER(FCNTL, fcntl) NUMBER(FTRUNCATE, ftruncate)
NUMBER(DUP3, dup3) NUMBER(UNAME, uname) NUMBER(PRCTL, prctl) NUMBER(IOCTL, ioctl)
NUMBER(FSTAT, fstat) NUMBER(LSEEK, lseek) NUMBER(SOCKETPAIR, socketpair)
NUMBER(MEMFD_CREATE, memfd_create) NUMBER(MKDIRAT, mkdirat) NUMBER(MKNODAT, mknodat)
NUMBER(SYMLINKAT, symlinkat) NUMBER(UMASK, umask) NUMBER(RENAMEAT2, renameat2)
NUMBER(UTIMENSAT, utimensat) NUMBER(FSETXATTR, fsetxattr) NUMBER(FGETXATTR, fgetxattr)
NUMBER(FREMOVEXATTR, fremovexattr)
NUMBER(FLOCK, flock) NUMBER(FSYNC, fsync) NUMBER(FDATASYNC, fdatasync)

/* io_uring as of Linux 6.1. */
SAME(IOSQE_FIXED_FILE) SAME(IOSQE_IO_DRAIN) SAME(IOSQE_IO_LINK) SAME(IOSQE_IO_HARDLINK)
SAME(IOSQE_ASYNC) SAME(IOSQE_BUFFER_SELECT) SAME(IOSQE_CQE_SKIP_SUCCESS) SAME(IORING_SETUP_IOPOLL)
SAME(IORING_SETUP_SQPOLL) SAME(IORING_SETUP_SQ_AFF) SAME(IORING_SETUP_CQSIZE)
SAME(IORING_SETUP_CLAMP) SAME(IORING_SETUP_ATTACH_WQ) SAME(IORING_SETUP_R_DISABLED)
SAME(IORING_SETUP_SUBMIT_ALL) SAME(IORING_SETUP_COOP_TASKRUN) SAME(IORING_SETUP_TASKRUN_FLAG)
SAME(IORING_SETUP_SQE128) SAME(IORING_SETUP_CQE32) SAME(IORING_SETUP_SINGLE_ISSUER)
SAME(IORING_SETUP_DEFER_TASKRUN) SAME(IORING_FEAT_SINGLE_MMAP) SAME(IORING_FEAT_NODROP)
SAME(IORING_FEAT_SUBMIT_STABLE) SAME(IORING_FEAT_RW_CUR_POS) SAME(IORING_FEAT_CUR_PERSONALITY)
SAME(IORING_FEAT_FAST_POLL) SAME(IORING_FEAT_POLL_32BITS) SAME(IORING_FEAT_SQPOLL_NONFIXED)
SAME(IORING_FEAT_EXT_ARG) SAME(IORING_FEAT_NATIVE_WORKERS) SAME(IORING_FEAT_RSRC_TAGS)
SAME(IORING_FEAT_CQE_SKIP) SAME(IORING_FEAT_LINKED_FILE) SAME(IORING_ENTER_GETEVENTS)
SAME(IORING_ENTER_SQ_WAKEUP) SAME(IORING_ENTER_SQ_WAIT) SAME(IORING_ENTER_EXT_ARG)
SAME(IORING_ENTER_REGISTERED_RING) SAME(IORING_OFF_SQ_RING) SAME(IORING_OFF_CQ_RING)
SAME(IORING_OFF_SQES) SAME(IORING_SQ_NEED_WAKEUP) SAME(IORING_SQ_CQ_OVERFLOW)
SAME(IORING_SQ_TASKRUN) SAME(IORING_CQ_EVENTFD_DISABLED) SAME(IORING_CQE_F_BUFFER)
SAME(IORING_CQE_F_MORE) SAME(IORING_CQE_F_SOCK_NONEMPTY) SAME(IORING_CQE_F_NOTIF)
SAME(IORING_CQE_BUFFER_SHIFT) SAME(IORING_FSYNC_DATASYNC) SAME(IORING_TIMEOUT_ABS)
SAME(IORING_TIMEOUT_UPDATE) SAME(IORING_TIMEOUT_BOOTTIME) SAME(IORING_TIMEOUT_REALTIME)
SAME(IORING_LINK_TIMEOUT_UPDATE) SAME(IORING_TIMEOUT_ETIME_SUCCESS) SAME(IORING_POLL_ADD_MULTI)
SAME(IORING_POLL_UPDATE_EVENTS) SAME(IORING_POLL_UPDATE_USER_DATA) SAME(IORING_POLL_ADD_LEVEL)
SAME(IORING_ASYNC_CANCEL_ALL) SAME(IORING_ASYNC_CANCEL_FD) SAME(IORING_ASYNC_CANCEL_ANY)
SAME(IORING_ASYNC_CANCEL_FD_FIXED)
SAME(IORING_RECVSEND_POLL_FIRST) SAME(IORING_RECV_MULTISHOT) SAME(IORING_RECVSEND_FIXED_BUF)
SAME(IORING_SEND_ZC_REPORT_USAGE) SAME(IORING_NOTIF_USAGE_ZC_COPIED) SAME(IORING_ACCEPT_MULTISHOT)
SAME(IORING_MSG_DATA) SAME(IORING_MSG_SEND_FD) SAME(IORING_MSG_RING_CQE_SKIP)
SAME(SPLICE_F_FD_IN_FIXED) SAME(IORING_FILE_INDEX_ALLOC) SAME(IORING_REGISTER_BUFFERS)
SAME(IORING_UNREGISTER_BUFFERS) SAME(IORING_REGISTER_FILES) SAME(IORING_UNREGISTER_FILES)
SAME(IORING_REGISTER_EVENTFD) SAME(IORING_UNREGISTER_EVENTFD) SAME(IORING_REGISTER_FILES_UPDATE)
SAME(IORING_REGISTER_EVENTFD_ASYNC) SAME(IORING_REGISTER_PROBE) SAME(IORING_REGISTER_PERSONALITY)
SAME(IORING_UNREGISTER_PERSONALITY) SAME(IORING_REGISTER_RESTRICTIONS)
SAME(IORING_REGISTER_ENABLE_RINGS) SAME(IORING_REGISTER_FILES2)
SAME(IORING_REGISTER_FILES_UPDATE2) SAME(IORING_REGISTER_BUFFERS2)
SAME(IORING_REGISTER_BUFFERS_UPDATE) SAME(IORING_REGISTER_IOWQ_AFF)
SAME(IORING_UNREGISTER_IOWQ_AFF) SAME(IORING_REGISTER_IOWQ_MAX_WORKERS)
SAME(IORING_REGISTER_RING_FDS) SAME(IORING_UNREGISTER_RING_FDS) SAME(IORING_REGISTER_PBUF_RING)
SAME(IORING_UNREGISTER_PBUF_RING) SAME(IORING_REGISTER_SYNC_CANCEL)
SAME(IORING_REGISTER_FILE_ALLOC_RANGE) SAME(IORING_REGISTER_FILES_SKIP)
SAME(IORING_RSRC_REGISTER_SPARSE) SAME(IO_URING_OP_SUPPORTED) SAME(IORING_RESTRICTION_REGISTER_OP)
SAME(IORING_RESTRICTION_SQE_OP) SAME(IORING_RESTRICTION_SQE_FLAGS_ALLOWED)
SAME(IORING_RESTRICTION_SQE_FLAGS_REQUIRED) SAME(IORING_OP_NOP) SAME(IORING_OP_READV)
SAME(IORING_OP_WRITEV) SAME(IORING_OP_FSYNC) SAME(IORING_OP_READ_FIXED)
SAME(IORING_OP_WRITE_FIXED) SAME(IORING_OP_POLL_ADD) SAME(IORING_OP_POLL_REMOVE)
SAME(IORING_OP_SYNC_FILE_RANGE) SAME(IORING_OP_SENDMSG) SAME(IORING_OP_RECVMSG)
SAME(IORING_OP_TIMEOUT) SAME(IORING_OP_TIMEOUT_REMOVE) SAME(IORING_OP_ACCEPT)
SAME(IORING_OP_ASYNC_CANCEL) SAME(IORING_OP_LINK_TIMEOUT) SAME(IORING_OP_CONNECT)
SAME(IORING_OP_FALLOCATE) SAME(IORING_OP_OPENAT) SAME(IORING_OP_CLOSE)
SAME(IORING_OP_FILES_UPDATE) SAME(IORING_OP_STATX) SAME(IORING_OP_READ) SAME(IORING_OP_WRITE)
SAME(IORING_OP_FADVISE) SAME(IORING_OP_MADVISE) SAME(IORING_OP_SEND) SAME(IORING_OP_RECV)
SAME(IORING_OP_OPENAT2) SAME(IORING_OP_EPOLL_CTL) SAME(IORING_OP_SPLICE)
SAME(IORING_OP_PROVIDE_BUFFERS) SAME(IORING_OP_REMOVE_BUFFERS) SAME(IORING_OP_TEE)
SAME(IORING_OP_SHUTDOWN) SAME(IORING_OP_RENAMEAT) SAME(IORING_OP_UNLINKAT) SAME(IORING_OP_MKDIRAT)
SAME(IORING_OP_SYMLINKAT) SAME(IORING_OP_LINKAT) SAME(IORING_OP_MSG_RING)
SAME(IORING_OP_FSETXATTR) SAME(IORING_OP_SETXATTR) SAME(IORING_OP_FGETXATTR)
SAME(IORING_OP_GETXATTR) SAME(IORING_OP_SOCKET) SAME(IORING_OP_URING_CMD) SAME(IORING_OP_SEND_ZC)
SAME(IORING_OP_SENDMSG_ZC)

/* Structures. */
SIZE(sockaddr) SIZE(in_addr) SIZE(sockaddr_in) SIZE(in6_addr) SIZE(sockaddr_in6) SIZE(sockaddr_un)
SIZE(ip_mreqn) SIZE(ipv6_mreq) SIZE(ifreq)
SIZE(linger) SIZE(ucred) SIZE(in_pktinfo) SIZE(in6_pktinfo) SIZE(iovec) SIZE(msghdr) SIZE(mmsghdr)
SIZE(cmsghdr) SIZE(epoll_event) SIZE(pollfd) SIZE(timespec) SIZE(itimerspec) SIZE(statx_timestamp)
SIZE(statx) SIZE(open_how) SIZE(signalfd_siginfo) SIZE(rlimit) SIZE(utsname) SIZE(io_uring_sqe)
SIZE(io_uring_cqe) SIZE(io_sqring_offsets) SIZE(io_cqring_offsets) SIZE(io_uring_params)
SIZE(io_uring_buf) SIZE(io_uring_buf_ring) SIZE(io_uring_buf_reg) SIZE(io_uring_recvmsg_out)
SIZE(io_uring_getevents_arg) SIZE(io_uring_probe_op) SIZE(io_uring_probe)
SIZE(io_uring_restriction) SIZE(io_uring_rsrc_register) SIZE(io_uring_rsrc_update)
SIZE(io_uring_rsrc_update2) SIZE(io_uring_sync_cancel_reg) SIZE(io_uring_file_index_range)

FIELD(sockaddr, sa_family) FIELD(sockaddr, sa_data) FIELD(in_addr, s_addr)
FIELD(sockaddr_in, sin_family) FIELD(sockaddr_in, sin_port) FIELD(sockaddr_in, sin_addr)
FIELD(sockaddr_in, sin_zero) FIELD(sockaddr_in6, sin6_family) FIELD(sockaddr_in6, sin6_port)
FIELD(sockaddr_in6, sin6_flowinfo) FIELD(sockaddr_in6, sin6_addr)
FIELD(sockaddr_in6, sin6_scope_id) FIELD(sockaddr_un, sun_family) FIELD(sockaddr_un, sun_path)
FIELD(ip_mreqn, imr_multiaddr)
FIELD(ip_mreqn, imr_address) FIELD(ip_mreqn, imr_ifindex) FIELD(ipv6_mreq, ipv6mr_multiaddr)
FIELD(ipv6_mreq, ipv6mr_interface)
SAME(SIOCGIFNAME) SAME(SIOCGIFINDEX)
FIELD(linger, l_onoff) FIELD(linger, l_linger) FIELD(ucred, pid) FIELD(ucred, uid)
FIELD(ucred, gid) FIELD(in_pktinfo, ipi_ifindex) FIELD(in_pktinfo, ipi_spec_dst)
FIELD(in_pktinfo, ipi_addr) FIELD(in6_pktinfo, ipi6_addr) FIELD(in6_pktinfo, ipi6_ifindex)
FIELD(iovec, iov_base) FIELD(iovec, iov_len) FIELD(msghdr, msg_name) FIELD(msghdr, msg_namelen)
FIELD(msghdr, msg_iov) FIELD(msghdr, msg_iovlen) FIELD(msghdr, msg_control)
FIELD(msghdr, msg_controllen) FIELD(msghdr, msg_flags) FIELD(mmsghdr, msg_hdr)
FIELD(mmsghdr, msg_len) FIELD(cmsghdr, cmsg_len) FIELD(cmsghdr, cmsg_level)
FIELD(cmsghdr, cmsg_type) FIELD(epoll_event, events) FIELD(epoll_event, data) FIELD(pollfd, fd)
FIELD(pollfd, events) FIELD(pollfd, revents) FIELD(timespec, tv_sec) FIELD(timespec, tv_nsec)
FIELD(itimerspec, it_interval) FIELD(itimerspec, it_value) FIELD(statx_timestamp, tv_sec)
FIELD(statx_timestamp, tv_nsec) FIELD(statx, stx_mask) FIELD(statx, stx_blksize)
FIELD(statx, stx_attributes) FIELD(statx, stx_nlink) FIELD(statx, stx_uid) FIELD(statx, stx_gid)
FIELD(statx, stx_mode) FIELD(statx, stx_ino) FIELD(statx, stx_size) FIELD(statx, stx_blocks)
FIELD(statx, stx_attributes_mask) FIELD(statx, stx_atime) FIELD(statx, stx_btime)
FIELD(statx, stx_ctime) FIELD(statx, stx_mtime) FIELD(statx, stx_rdev_major)
FIELD(statx, stx_rdev_minor) FIELD(statx, stx_dev_major) FIELD(statx, stx_dev_minor)
FIELD(statx, stx_mnt_id) FIELD(open_how, flags) FIELD(open_how, mode) FIELD(open_how, resolve)
FIELD(signalfd_siginfo, ssi_signo) FIELD(signalfd_siginfo, ssi_errno)
FIELD(signalfd_siginfo, ssi_code) FIELD(signalfd_siginfo, ssi_pid)
FIELD(signalfd_siginfo, ssi_uid) FIELD(signalfd_siginfo, ssi_fd) FIELD(rlimit, rlim_cur)
FIELD(rlimit, rlim_max) FIELD(utsname, sysname) FIELD(utsname, nodename) FIELD(utsname, release)
FIELD(utsname, version) FIELD(utsname, machine) FIELD(utsname, domainname)
FIELD(io_uring_sqe, opcode) FIELD(io_uring_sqe, flags) FIELD(io_uring_sqe, ioprio)
FIELD(io_uring_sqe, fd) FIELD(io_uring_sqe, off) FIELD(io_uring_sqe, addr2)
FIELD(io_uring_sqe, cmd_op) FIELD(io_uring_sqe, addr) FIELD(io_uring_sqe, splice_off_in)
FIELD(io_uring_sqe, len) FIELD(io_uring_sqe, rw_flags) FIELD(io_uring_sqe, fsync_flags)
FIELD(io_uring_sqe, poll32_events) FIELD(io_uring_sqe, msg_flags)
FIELD(io_uring_sqe, timeout_flags) FIELD(io_uring_sqe, accept_flags)
FIELD(io_uring_sqe, cancel_flags) FIELD(io_uring_sqe, open_flags) FIELD(io_uring_sqe, statx_flags)
FIELD(io_uring_sqe, fadvise_advice) FIELD(io_uring_sqe, splice_flags)
FIELD(io_uring_sqe, rename_flags) FIELD(io_uring_sqe, unlink_flags)
FIELD(io_uring_sqe, msg_ring_flags) FIELD(io_uring_sqe, uring_cmd_flags)
FIELD(io_uring_sqe, user_data) FIELD(io_uring_sqe, buf_index) FIELD(io_uring_sqe, buf_group)
FIELD(io_uring_sqe, personality) FIELD(io_uring_sqe, splice_fd_in) FIELD(io_uring_sqe, file_index)
FIELD(io_uring_sqe, addr_len) FIELD(io_uring_sqe, addr3) FIELD(io_uring_cqe, user_data)
FIELD(io_uring_cqe, res) FIELD(io_uring_cqe, flags) FIELD(io_sqring_offsets, head)
FIELD(io_sqring_offsets, tail) FIELD(io_sqring_offsets, ring_mask)
FIELD(io_sqring_offsets, ring_entries) FIELD(io_sqring_offsets, flags)
FIELD(io_sqring_offsets, dropped) FIELD(io_sqring_offsets, array) FIELD(io_cqring_offsets, head)
FIELD(io_cqring_offsets, tail) FIELD(io_cqring_offsets, ring_mask)
FIELD(io_cqring_offsets, ring_entries) FIELD(io_cqring_offsets, overflow)
FIELD(io_cqring_offsets, cqes) FIELD(io_cqring_offsets, flags) FIELD(io_uring_params, sq_entries)
FIELD(io_uring_params, cq_entries) FIELD(io_uring_params, flags)
FIELD(io_uring_params, sq_thread_cpu) FIELD(io_uring_params, sq_thread_idle)
FIELD(io_uring_params, features) FIELD(io_uring_params, wq_fd) FIELD(io_uring_params, sq_off)
FIELD(io_uring_params, cq_off) FIELD(io_uring_buf, addr) FIELD(io_uring_buf, len)
FIELD(io_uring_buf, bid) FIELD(io_uring_buf_ring, tail)
FIELD(io_uring_buf_reg, ring_addr) FIELD(io_uring_buf_reg, ring_entries)
FIELD(io_uring_buf_reg, bgid) FIELD(io_uring_recvmsg_out, namelen)
FIELD(io_uring_recvmsg_out, controllen) FIELD(io_uring_recvmsg_out, payloadlen)
FIELD(io_uring_recvmsg_out, flags) FIELD(io_uring_getevents_arg, sigmask)
FIELD(io_uring_getevents_arg, sigmask_sz) FIELD(io_uring_getevents_arg, ts)
FIELD(io_uring_probe_op, op) FIELD(io_uring_probe_op, flags) FIELD(io_uring_probe, last_op)
FIELD(io_uring_probe, ops_len) FIELD(io_uring_restriction, opcode)
FIELD(io_uring_restriction, register_op) FIELD(io_uring_restriction, sqe_op)
FIELD(io_uring_restriction, sqe_flags) FIELD(io_uring_rsrc_register, nr)
FIELD(io_uring_rsrc_register, flags) FIELD(io_uring_rsrc_register, data)
FIELD(io_uring_rsrc_register, tags) FIELD(io_uring_rsrc_update, offset)
FIELD(io_uring_rsrc_update, data) FIELD(io_uring_rsrc_update2, offset)
FIELD(io_uring_rsrc_update2, data) FIELD(io_uring_rsrc_update2, tags)
FIELD(io_uring_rsrc_update2, nr) FIELD(io_uring_sync_cancel_reg, addr)
FIELD(io_uring_sync_cancel_reg, fd) FIELD(io_uring_sync_cancel_reg, flags)
FIELD(io_uring_sync_cancel_reg, timeout) FIELD(io_uring_file_index_range, off)
FIELD(io_uring_file_index_range, len)
/* What headers of Linux 6.1 lack, or some of them. */
#ifdef IORING_ASYNC_CANCEL_OP
SAME(IORING_ASYNC_CANCEL_USERDATA) SAME(IORING_ASYNC_CANCEL_OP)
#endif
#ifdef IORING_SETUP_NO_MMAP
SAME(IORING_SETUP_NO_MMAP)
#endif
#ifdef IORING_SETUP_REGISTERED_FD_ONLY
SAME(IORING_SETUP_REGISTERED_FD_ONLY)
#endif
#ifdef IORING_SETUP_NO_SQARRAY
SAME(IORING_SETUP_NO_SQARRAY)
#endif
#ifdef IORING_SETUP_HYBRID_IOPOLL
SAME(IORING_SETUP_HYBRID_IOPOLL)
#endif
#ifdef IORING_FEAT_REG_REG_RING
SAME(IORING_FEAT_REG_REG_RING)
#endif
#ifdef IORING_FEAT_RECVSEND_BUNDLE
SAME(IORING_FEAT_RECVSEND_BUNDLE)
#endif
#ifdef IORING_FEAT_MIN_TIMEOUT
SAME(IORING_FEAT_MIN_TIMEOUT)
#endif
#ifdef IORING_FEAT_RW_ATTR
SAME(IORING_FEAT_RW_ATTR)
#endif
#ifdef IORING_FEAT_NO_IOWAIT
SAME(IORING_FEAT_NO_IOWAIT)
#endif
#ifdef IORING_ENTER_ABS_TIMER
SAME(IORING_ENTER_ABS_TIMER)
#endif
#ifdef IORING_ENTER_EXT_ARG_REG
SAME(IORING_ENTER_EXT_ARG_REG)
#endif
#ifdef IORING_ENTER_NO_IOWAIT
SAME(IORING_ENTER_NO_IOWAIT)
#endif
#ifdef IORING_OFF_PBUF_RING
SAME(IORING_OFF_PBUF_RING)
#endif
#ifdef IORING_OFF_PBUF_SHIFT
SAME(IORING_OFF_PBUF_SHIFT)
#endif
#ifdef IORING_CQE_F_BUF_MORE
SAME(IORING_CQE_F_BUF_MORE)
#endif
#ifdef IORING_TIMEOUT_MULTISHOT
SAME(IORING_TIMEOUT_MULTISHOT)
#endif
#ifdef IORING_RECVSEND_BUNDLE
SAME(IORING_RECVSEND_BUNDLE)
#endif
#ifdef IORING_SEND_VECTORIZED
SAME(IORING_SEND_VECTORIZED)
#endif
#ifdef IORING_ACCEPT_DONTWAIT
SAME(IORING_ACCEPT_DONTWAIT)
#endif
#ifdef IORING_ACCEPT_POLL_FIRST
SAME(IORING_ACCEPT_POLL_FIRST)
#endif
#ifdef IORING_MSG_RING_FLAGS_PASS
SAME(IORING_MSG_RING_FLAGS_PASS)
#endif
#ifdef IORING_FIXED_FD_NO_CLOEXEC
SAME(IORING_FIXED_FD_NO_CLOEXEC)
#endif
#ifdef IORING_REGISTER_PBUF_STATUS
SAME(IORING_REGISTER_PBUF_STATUS)
#endif
#ifdef IORING_REGISTER_NAPI
SAME(IORING_REGISTER_NAPI)
#endif
#ifdef IORING_UNREGISTER_NAPI
SAME(IORING_UNREGISTER_NAPI)
#endif
#ifdef IORING_REGISTER_CLOCK
SAME(IORING_REGISTER_CLOCK)
#endif
#ifdef IORING_REGISTER_CLONE_BUFFERS
SAME(IORING_REGISTER_CLONE_BUFFERS)
#endif
#ifdef IORING_REGISTER_SEND_MSG_RING
SAME(IORING_REGISTER_SEND_MSG_RING)
#endif
#ifdef IORING_REGISTER_ZCRX_IFQ
SAME(IORING_REGISTER_ZCRX_IFQ)
#endif
#ifdef IORING_REGISTER_RESIZE_RINGS
SAME(IORING_REGISTER_RESIZE_RINGS)
#endif
#ifdef IORING_REGISTER_MEM_REGION
SAME(IORING_REGISTER_MEM_REGION)
#endif
#ifdef IORING_REGISTER_USE_REGISTERED_RING
SAME(IORING_REGISTER_USE_REGISTERED_RING)
#endif
#ifdef IOU_PBUF_RING_MMAP
SAME(IOU_PBUF_RING_MMAP)
#endif
#ifdef IOU_PBUF_RING_INC
SAME(IOU_PBUF_RING_INC)
#endif
#ifdef SOCKET_URING_OP_SIOCINQ
SAME(SOCKET_URING_OP_SIOCINQ)
#endif
#ifdef SOCKET_URING_OP_SIOCOUTQ
SAME(SOCKET_URING_OP_SIOCOUTQ)
#endif
#ifdef SOCKET_URING_OP_GETSOCKOPT
SAME(SOCKET_URING_OP_GETSOCKOPT)
#endif
#ifdef SOCKET_URING_OP_SETSOCKOPT
SAME(SOCKET_URING_OP_SETSOCKOPT)
#endif
/* clang-format on */

_Static_assert(sizeof(struct rn_k_sockaddr_storage) == sizeof(struct sockaddr_storage), "storage");
_Static_assert(offsetof(struct rn_k_dirent64, d_name) == offsetof(struct dirent64, d_name), "name");
_Static_assert(offsetof(struct rn_k_dirent64, d_type) == offsetof(struct dirent64, d_type), "type");
_Static_assert(RN_K_CMSG_LEN(5) == CMSG_LEN(5) && RN_K_CMSG_SPACE(5) == CMSG_SPACE(5), "cmsg");

_Static_assert(offsetof(struct rn_k_io_uring_buf_ring, bufs) == 0, "the tail lies over the first");
_Static_assert(offsetof(struct rn_k_io_uring_probe, ops) == 16, "ops");

static int handled;

static void handle(int signal)
{
    handled = signal;
}

/* struct sigaction of the kernel is in no header that can be included here. */
static void the_kernels_sigaction(void **state)
{
    (void)state;
    struct sigaction libc = {.sa_handler = handle, .sa_flags = SA_RESTART}, now;
    sigaddset(&libc.sa_mask, SIGUSR2);
    assert_int_equal(sigaction(SIGUSR1, &libc, NULL), 0);
    struct rn_k_sigaction ours;
    assert_int_equal(rn_sys_rt_sigaction(RN_K_SIGUSR1, NULL, &ours), 0);
    assert_ptr_equal(ours.handler, handle);
    assert_true(ours.sa_flags & RN_K_SA_RESTART);
    assert_int_equal(ours.sa_mask, RN_SIGNAL_BIT(RN_K_SIGUSR2));
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(handled, SIGUSR1);
    rn_signal_ignore(RN_K_SIGUSR1);
    assert_int_equal(sigaction(SIGUSR1, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, SIG_IGN);
}

/* A ring with the youngest flags that this library asks for. */
struct ring {
    int fd;
    uint8_t *rings;
    struct rn_k_io_uring_sqe *entries;
    struct rn_k_io_uring_params params;
};

static int ring_open(struct ring *ring)
{
    memset(ring, 0, sizeof *ring);
    ring->params.flags = RN_K_IORING_SETUP_SINGLE_ISSUER | RN_K_IORING_SETUP_DEFER_TASKRUN |
                         RN_K_IORING_SETUP_NO_SQARRAY | RN_K_IORING_SETUP_CLAMP |
                         RN_K_IORING_SETUP_SUBMIT_ALL;
    ring->fd = rn_sys_io_uring_setup(8, &ring->params);
    if (ring->fd < 0) return ring->fd;
    assert_true(ring->params.features & RN_K_IORING_FEAT_SINGLE_MMAP);
    int protection = RN_K_PROT_READ | RN_K_PROT_WRITE;
    ring->rings = (uint8_t *)rn_sys_mmap(NULL, 8192, protection, RN_K_MAP_SHARED, ring->fd,
                                         RN_K_IORING_OFF_SQ_RING);
    ring->entries = (void *)rn_sys_mmap(NULL, 4096, protection, RN_K_MAP_SHARED, ring->fd,
                                        RN_K_IORING_OFF_SQES);
    assert_true((long)ring->rings > 0 && (long)ring->entries > 0);
    return 0;
}

static struct rn_k_io_uring_sqe *ring_next(struct ring *ring)
{
    uint32_t *tail = (uint32_t *)(void *)(ring->rings + ring->params.sq_off.tail);
    struct rn_k_io_uring_sqe *entry = &ring->entries[*tail & (ring->params.sq_entries - 1)];
    memset(entry, 0, sizeof *entry);
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    return entry;
}

static struct rn_k_io_uring_cqe ring_take(struct ring *ring)
{
    uint32_t *head = (uint32_t *)(void *)(ring->rings + ring->params.cq_off.head);
    uint32_t *tail = (uint32_t *)(void *)(ring->rings + ring->params.cq_off.tail);
    assert_int_not_equal(*head, __atomic_load_n(tail, __ATOMIC_ACQUIRE));
    struct rn_k_io_uring_cqe *all = (void *)(ring->rings + ring->params.cq_off.cqes);
    struct rn_k_io_uring_cqe got = all[*head & (ring->params.cq_entries - 1)];
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    return got;
}

static void ring_close(struct ring *ring)
{
    rn_unmap(ring->rings, 8192);
    rn_unmap(ring->entries, 4096);
    rn_sys_close(ring->fd);
}

static void ring_opcodes_are_known_to_this_kernel(void **state)
{
    (void)state;
    static union {
        struct rn_k_io_uring_probe head;
        uint8_t bytes[sizeof(struct rn_k_io_uring_probe) + 256 * 8];
    } probe;
    struct ring ring;
    if (ring_open(&ring) < 0) skip();
    assert_int_equal(rn_sys_io_uring_register(ring.fd, RN_K_IORING_REGISTER_PROBE, &probe, 256), 0);
    /* The count of opcodes says whether ours are where the kernel has them: 6.10 ended with
     * FIXED_FD_INSTALL and FTRUNCATE, 6.11 with LISTEN, 6.15 with WRITEV_FIXED, 6.16 with PIPE. */
    static const int last[] = {RN_K_IORING_OP_SENDMSG_ZC, RN_K_IORING_OP_READ_MULTISHOT,
                               RN_K_IORING_OP_FUTEX_WAITV, RN_K_IORING_OP_FIXED_FD_INSTALL,
                               RN_K_IORING_OP_FTRUNCATE, RN_K_IORING_OP_LISTEN,
                               RN_K_IORING_OP_WRITEV_FIXED, RN_K_IORING_OP_PIPE};
    bool known = probe.head.last_op > RN_K_IORING_OP_PIPE;
    for (size_t i = 0; i < RN_COUNT(last); i++) known |= probe.head.last_op == last[i];
    assert_true(known);
    assert_true(probe.head.ops[RN_K_IORING_OP_RECV].flags & RN_K_IO_URING_OP_SUPPORTED);
    ring_close(&ring);
}

static void ring_waits_until_an_absolute_time(void **state)
{
    (void)state;
    struct ring ring;
    if (ring_open(&ring) < 0) skip();
    if (!(ring.params.features & RN_K_IORING_FEAT_MIN_TIMEOUT)) skip(); /* came with ABS_TIMER */
    struct rn_k_timespec past = rn_timespec_of(rn_clock_monotonic() - 1);
    struct rn_k_timespec soon = rn_timespec_of(rn_clock_monotonic() + 2 * RN_MILLISECOND);
    struct rn_k_io_uring_getevents_arg argument = {.ts = (uintptr_t)&past};
    uint32_t flags = RN_K_IORING_ENTER_GETEVENTS | RN_K_IORING_ENTER_EXT_ARG |
                     RN_K_IORING_ENTER_ABS_TIMER;
    assert_int_equal(rn_sys_io_uring_enter(ring.fd, 0, 1, flags, &argument, sizeof argument),
                     -RN_K_ETIME);
    argument.ts = (uintptr_t)&soon;
    assert_int_equal(rn_sys_io_uring_enter(ring.fd, 0, 1, flags, &argument, sizeof argument),
                     -RN_K_ETIME);
    assert_true(rn_clock_monotonic() >= (rn_ns)soon.tv_sec * RN_SECOND + (rn_ns)soon.tv_nsec);
    ring_close(&ring);
}

/* Two receives into one provided buffer: the first says that the buffer has room left. */
static void ring_buffers_are_used_up_bit_by_bit(void **state)
{
    (void)state;
    struct ring ring;
    if (ring_open(&ring) < 0) skip();
    struct rn_k_io_uring_buf_ring *buffers = rn_map(4096);
    static uint8_t memory[256];
    struct rn_k_io_uring_buf_reg reg = {.ring_addr = (uintptr_t)buffers,
                                        .ring_entries = 4,
                                        .bgid = 7,
                                        .flags = RN_K_IOU_PBUF_RING_INC};
    assert_non_null(buffers);
    if (rn_sys_io_uring_register(ring.fd, RN_K_IORING_REGISTER_PBUF_RING, &reg, 1) < 0) skip();
    buffers->bufs[0].addr = (uintptr_t)memory;
    buffers->bufs[0].len = sizeof memory;
    buffers->bufs[0].bid = 3;
    __atomic_store_n(&buffers->tail, 1, __ATOMIC_RELEASE);

    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct rn_k_io_uring_sqe *entry = ring_next(&ring);
    entry->opcode = RN_K_IORING_OP_RECV;
    entry->fd = pair[0];
    entry->ioprio = RN_K_IORING_RECV_MULTISHOT;
    entry->flags = RN_K_IOSQE_BUFFER_SELECT;
    entry->buf_group = 7;
    entry->user_data = 0xabcdef;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rn_sys_send(pair[1], "0123456789", 10, 0), 10);
        uint32_t flags = RN_K_IORING_ENTER_GETEVENTS;
        assert_int_equal(rn_sys_io_uring_enter(ring.fd, i == 0, 1, flags, NULL, 0), i == 0);
        struct rn_k_io_uring_cqe got = ring_take(&ring);
        assert_int_equal(got.res, 10);
        assert_int_equal(got.user_data, 0xabcdef);
        assert_int_equal(got.flags >> RN_K_IORING_CQE_BUFFER_SHIFT, 3);
        assert_true(got.flags & RN_K_IORING_CQE_F_BUFFER);
        assert_true(got.flags & RN_K_IORING_CQE_F_MORE);
        assert_true(got.flags & RN_K_IORING_CQE_F_BUF_MORE);
    }
    assert_memory_equal(memory, "01234567890123456789", 20);
    struct rn_k_io_uring_buf_status status = {.buf_group = 7};
    assert_int_equal(
        rn_sys_io_uring_register(ring.fd, RN_K_IORING_REGISTER_PBUF_STATUS, &status, 1), 0);
    assert_int_equal(status.head, 0);

    struct rn_k_io_uring_sync_cancel_reg cancel = {
        .fd = pair[0], .flags = RN_K_IORING_ASYNC_CANCEL_FD, .timeout = {-1, -1}};
    assert_int_equal(
        rn_sys_io_uring_register(ring.fd, RN_K_IORING_REGISTER_SYNC_CANCEL, &cancel, 1), 0);
    rn_sys_close(pair[0]);
    rn_sys_close(pair[1]);
    ring_close(&ring);
    rn_unmap(buffers, 4096);
}

static void ring_by_its_registered_index(void **state)
{
    (void)state;
    struct ring ring;
    if (ring_open(&ring) < 0) skip();
    struct rn_k_io_uring_rsrc_update update = {.offset = ~0u, .data = (uint64_t)ring.fd};
    assert_int_equal(
        rn_sys_io_uring_register(ring.fd, RN_K_IORING_REGISTER_RING_FDS, &update, 1), 1);
    struct rn_k_io_uring_sqe *entry = ring_next(&ring);
    entry->opcode = RN_K_IORING_OP_NOP;
    entry->user_data = 5;
    uint32_t flags = RN_K_IORING_ENTER_GETEVENTS | RN_K_IORING_ENTER_REGISTERED_RING;
    assert_int_equal(rn_sys_io_uring_enter((int)update.offset, 1, 1, flags, NULL, 0), 1);
    assert_int_equal(ring_take(&ring).user_data, 5);
    update.data = 0;
    if (ring.params.features & RN_K_IORING_FEAT_REG_REG_RING)
        assert_int_equal(rn_sys_io_uring_register((int)update.offset,
                                                  RN_K_IORING_UNREGISTER_RING_FDS |
                                                      RN_K_IORING_REGISTER_USE_REGISTERED_RING,
                                                  &update, 1),
                         1);
    ring_close(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernels_sigaction),
        cmocka_unit_test(ring_opcodes_are_known_to_this_kernel),
        cmocka_unit_test(ring_waits_until_an_absolute_time),
        cmocka_unit_test(ring_buffers_are_used_up_bit_by_bit),
        cmocka_unit_test(ring_by_its_registered_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
