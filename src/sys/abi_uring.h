/*
 * sys/abi_uring.h: io_uring(7) as the kernel has it, up to Linux 6.18. Part of sys/abi.h.
 *
 * Where an entry is younger than Linux 6.1 its kernel is named: callers cope with -EINVAL there.
 */
#ifndef SYS_ABI_URING_H
#define SYS_ABI_URING_H

/* sqe->opcode, in the order in which the kernel got them; READ_MULTISHOT came with Linux 6.7. */
enum {
    RN_K_IORING_OP_NOP,
    RN_K_IORING_OP_READV,
    RN_K_IORING_OP_WRITEV,
    RN_K_IORING_OP_FSYNC,
    RN_K_IORING_OP_READ_FIXED,
    RN_K_IORING_OP_WRITE_FIXED,
    RN_K_IORING_OP_POLL_ADD,
    RN_K_IORING_OP_POLL_REMOVE,
    RN_K_IORING_OP_SYNC_FILE_RANGE,
    RN_K_IORING_OP_SENDMSG,
    RN_K_IORING_OP_RECVMSG,
    RN_K_IORING_OP_TIMEOUT,
    RN_K_IORING_OP_TIMEOUT_REMOVE,
    RN_K_IORING_OP_ACCEPT,
    RN_K_IORING_OP_ASYNC_CANCEL,
    RN_K_IORING_OP_LINK_TIMEOUT,
    RN_K_IORING_OP_CONNECT,
    RN_K_IORING_OP_FALLOCATE,
    RN_K_IORING_OP_OPENAT,
    RN_K_IORING_OP_CLOSE,
    RN_K_IORING_OP_FILES_UPDATE,
    RN_K_IORING_OP_STATX,
    RN_K_IORING_OP_READ,
    RN_K_IORING_OP_WRITE,
    RN_K_IORING_OP_FADVISE,
    RN_K_IORING_OP_MADVISE,
    RN_K_IORING_OP_SEND,
    RN_K_IORING_OP_RECV,
    RN_K_IORING_OP_OPENAT2,
    RN_K_IORING_OP_EPOLL_CTL,
    RN_K_IORING_OP_SPLICE,
    RN_K_IORING_OP_PROVIDE_BUFFERS,
    RN_K_IORING_OP_REMOVE_BUFFERS,
    RN_K_IORING_OP_TEE,
    RN_K_IORING_OP_SHUTDOWN,
    RN_K_IORING_OP_RENAMEAT,
    RN_K_IORING_OP_UNLINKAT,
    RN_K_IORING_OP_MKDIRAT,
    RN_K_IORING_OP_SYMLINKAT,
    RN_K_IORING_OP_LINKAT,
    RN_K_IORING_OP_MSG_RING,
    RN_K_IORING_OP_FSETXATTR,
    RN_K_IORING_OP_SETXATTR,
    RN_K_IORING_OP_FGETXATTR,
    RN_K_IORING_OP_GETXATTR,
    RN_K_IORING_OP_SOCKET,
    RN_K_IORING_OP_URING_CMD,
    RN_K_IORING_OP_SEND_ZC,
    RN_K_IORING_OP_SENDMSG_ZC,
    RN_K_IORING_OP_READ_MULTISHOT,
    RN_K_IORING_OP_WAITID,
    RN_K_IORING_OP_FUTEX_WAIT,
    RN_K_IORING_OP_FUTEX_WAKE,
    RN_K_IORING_OP_FUTEX_WAITV,
    RN_K_IORING_OP_FIXED_FD_INSTALL,
    RN_K_IORING_OP_FTRUNCATE,
    RN_K_IORING_OP_BIND,
    RN_K_IORING_OP_LISTEN,
    RN_K_IORING_OP_RECV_ZC,
    RN_K_IORING_OP_EPOLL_WAIT,
    RN_K_IORING_OP_READV_FIXED,
    RN_K_IORING_OP_WRITEV_FIXED,
    RN_K_IORING_OP_PIPE,
    RN_K_IORING_OP_LAST
};

/* sqe->flags */
#define RN_K_IOSQE_FIXED_FILE                       (1u << 0)
#define RN_K_IOSQE_IO_DRAIN                         (1u << 1)
#define RN_K_IOSQE_IO_LINK                          (1u << 2)
#define RN_K_IOSQE_IO_HARDLINK                      (1u << 3)
#define RN_K_IOSQE_ASYNC                            (1u << 4)
#define RN_K_IOSQE_BUFFER_SELECT                    (1u << 5)
#define RN_K_IOSQE_CQE_SKIP_SUCCESS                 (1u << 6)

/* io_uring_setup(2) flags. NO_MMAP is 6.5, NO_SQARRAY 6.6, HYBRID_IOPOLL 6.13. */
#define RN_K_IORING_SETUP_IOPOLL                    (1u << 0)
#define RN_K_IORING_SETUP_SQPOLL                    (1u << 1)
#define RN_K_IORING_SETUP_SQ_AFF                    (1u << 2)
#define RN_K_IORING_SETUP_CQSIZE                    (1u << 3)
#define RN_K_IORING_SETUP_CLAMP                     (1u << 4)
#define RN_K_IORING_SETUP_ATTACH_WQ                 (1u << 5)
#define RN_K_IORING_SETUP_R_DISABLED                (1u << 6)
#define RN_K_IORING_SETUP_SUBMIT_ALL                (1u << 7)
#define RN_K_IORING_SETUP_COOP_TASKRUN              (1u << 8)
#define RN_K_IORING_SETUP_TASKRUN_FLAG              (1u << 9)
#define RN_K_IORING_SETUP_SQE128                    (1u << 10)
#define RN_K_IORING_SETUP_CQE32                     (1u << 11)
#define RN_K_IORING_SETUP_SINGLE_ISSUER             (1u << 12)
#define RN_K_IORING_SETUP_DEFER_TASKRUN             (1u << 13)
#define RN_K_IORING_SETUP_NO_MMAP                   (1u << 14)
#define RN_K_IORING_SETUP_REGISTERED_FD_ONLY        (1u << 15)
#define RN_K_IORING_SETUP_NO_SQARRAY                (1u << 16)
#define RN_K_IORING_SETUP_HYBRID_IOPOLL             (1u << 17)

/* params.features. RECVSEND_BUNDLE is 6.10, MIN_TIMEOUT 6.12. */
#define RN_K_IORING_FEAT_SINGLE_MMAP                (1u << 0)
#define RN_K_IORING_FEAT_NODROP                     (1u << 1)
#define RN_K_IORING_FEAT_SUBMIT_STABLE              (1u << 2)
#define RN_K_IORING_FEAT_RW_CUR_POS                 (1u << 3)
#define RN_K_IORING_FEAT_CUR_PERSONALITY            (1u << 4)
#define RN_K_IORING_FEAT_FAST_POLL                  (1u << 5)
#define RN_K_IORING_FEAT_POLL_32BITS                (1u << 6)
#define RN_K_IORING_FEAT_SQPOLL_NONFIXED            (1u << 7)
#define RN_K_IORING_FEAT_EXT_ARG                    (1u << 8)
#define RN_K_IORING_FEAT_NATIVE_WORKERS             (1u << 9)
#define RN_K_IORING_FEAT_RSRC_TAGS                  (1u << 10)
#define RN_K_IORING_FEAT_CQE_SKIP                   (1u << 11)
#define RN_K_IORING_FEAT_LINKED_FILE                (1u << 12)
#define RN_K_IORING_FEAT_REG_REG_RING               (1u << 13)
#define RN_K_IORING_FEAT_RECVSEND_BUNDLE            (1u << 14)
#define RN_K_IORING_FEAT_MIN_TIMEOUT                (1u << 15)
#define RN_K_IORING_FEAT_RW_ATTR                    (1u << 16)
#define RN_K_IORING_FEAT_NO_IOWAIT                  (1u << 17)

/* io_uring_enter(2) flags. ABS_TIMER is 6.12: the time in getevents_arg.ts is absolute. */
#define RN_K_IORING_ENTER_GETEVENTS                 (1u << 0)
#define RN_K_IORING_ENTER_SQ_WAKEUP                 (1u << 1)
#define RN_K_IORING_ENTER_SQ_WAIT                   (1u << 2)
#define RN_K_IORING_ENTER_EXT_ARG                   (1u << 3)
#define RN_K_IORING_ENTER_REGISTERED_RING           (1u << 4)
#define RN_K_IORING_ENTER_ABS_TIMER                 (1u << 5)
#define RN_K_IORING_ENTER_EXT_ARG_REG               (1u << 6)
#define RN_K_IORING_ENTER_NO_IOWAIT                 (1u << 7)

/* Offsets for mmap(2) of the rings */
#define RN_K_IORING_OFF_SQ_RING                     0x0
#define RN_K_IORING_OFF_CQ_RING                     0x8000000
#define RN_K_IORING_OFF_SQES                        0x10000000
#define RN_K_IORING_OFF_PBUF_RING                   0x80000000
#define RN_K_IORING_OFF_PBUF_SHIFT                  16

/* *sq_ring.flags and *cq_ring.flags */
#define RN_K_IORING_SQ_NEED_WAKEUP                  (1u << 0)
#define RN_K_IORING_SQ_CQ_OVERFLOW                  (1u << 1)
#define RN_K_IORING_SQ_TASKRUN                      (1u << 2)
#define RN_K_IORING_CQ_EVENTFD_DISABLED             (1u << 0)

/* cqe->flags. BUF_MORE is 6.12: the buffer is not used up yet (RN_K_IOU_PBUF_RING_INC). */
#define RN_K_IORING_CQE_F_BUFFER                    (1u << 0)
#define RN_K_IORING_CQE_F_MORE                      (1u << 1)
#define RN_K_IORING_CQE_F_SOCK_NONEMPTY             (1u << 2)
#define RN_K_IORING_CQE_F_NOTIF                     (1u << 3)
#define RN_K_IORING_CQE_F_BUF_MORE                  (1u << 4)
#define RN_K_IORING_CQE_BUFFER_SHIFT                16

/* sqe->fsync_flags */
#define RN_K_IORING_FSYNC_DATASYNC                  (1u << 0)

/* sqe->timeout_flags. MULTISHOT is 6.4. */
#define RN_K_IORING_TIMEOUT_ABS                     (1u << 0)
#define RN_K_IORING_TIMEOUT_UPDATE                  (1u << 1)
#define RN_K_IORING_TIMEOUT_BOOTTIME                (1u << 2)
#define RN_K_IORING_TIMEOUT_REALTIME                (1u << 3)
#define RN_K_IORING_LINK_TIMEOUT_UPDATE             (1u << 4)
#define RN_K_IORING_TIMEOUT_ETIME_SUCCESS           (1u << 5)
#define RN_K_IORING_TIMEOUT_MULTISHOT               (1u << 6)

/* sqe->len of POLL_ADD */
#define RN_K_IORING_POLL_ADD_MULTI                  (1u << 0)
#define RN_K_IORING_POLL_UPDATE_EVENTS              (1u << 1)
#define RN_K_IORING_POLL_UPDATE_USER_DATA           (1u << 2)
#define RN_K_IORING_POLL_ADD_LEVEL                  (1u << 3)

/* sqe->cancel_flags */
#define RN_K_IORING_ASYNC_CANCEL_ALL                (1u << 0)
#define RN_K_IORING_ASYNC_CANCEL_FD                 (1u << 1)
#define RN_K_IORING_ASYNC_CANCEL_ANY                (1u << 2)
#define RN_K_IORING_ASYNC_CANCEL_FD_FIXED           (1u << 3)
#define RN_K_IORING_ASYNC_CANCEL_USERDATA           (1u << 4)
#define RN_K_IORING_ASYNC_CANCEL_OP                 (1u << 5)

/* sqe->ioprio of send and recv. BUNDLE is 6.10. */
#define RN_K_IORING_RECVSEND_POLL_FIRST             (1u << 0)
#define RN_K_IORING_RECV_MULTISHOT                  (1u << 1)
#define RN_K_IORING_RECVSEND_FIXED_BUF              (1u << 2)
#define RN_K_IORING_SEND_ZC_REPORT_USAGE            (1u << 3)
#define RN_K_IORING_RECVSEND_BUNDLE                 (1u << 4)
#define RN_K_IORING_SEND_VECTORIZED                 (1u << 5)
#define RN_K_IORING_NOTIF_USAGE_ZC_COPIED           (1u << 31)

/* sqe->ioprio of accept. DONTWAIT and POLL_FIRST are 6.10. */
#define RN_K_IORING_ACCEPT_MULTISHOT                (1u << 0)
#define RN_K_IORING_ACCEPT_DONTWAIT                 (1u << 1)
#define RN_K_IORING_ACCEPT_POLL_FIRST               (1u << 2)

/* sqe->addr and sqe->msg_ring_flags of MSG_RING */
#define RN_K_IORING_MSG_DATA                        0
#define RN_K_IORING_MSG_SEND_FD                     1
#define RN_K_IORING_MSG_RING_CQE_SKIP               (1u << 0)
#define RN_K_IORING_MSG_RING_FLAGS_PASS             (1u << 1)

/* sqe->splice_flags, sqe->install_fd_flags, sqe->file_index */
#define RN_K_SPLICE_F_FD_IN_FIXED                   (1u << 31)
#define RN_K_IORING_FIXED_FD_NO_CLOEXEC             (1u << 0)
#define RN_K_IORING_FILE_INDEX_ALLOC                (~0u)

/* io_uring_register(2) opcodes. PBUF_STATUS is 6.8, NAPI 6.9, CLOCK and CLONE_BUFFERS 6.12. */
#define RN_K_IORING_REGISTER_BUFFERS                0
#define RN_K_IORING_UNREGISTER_BUFFERS              1
#define RN_K_IORING_REGISTER_FILES                  2
#define RN_K_IORING_UNREGISTER_FILES                3
#define RN_K_IORING_REGISTER_EVENTFD                4
#define RN_K_IORING_UNREGISTER_EVENTFD              5
#define RN_K_IORING_REGISTER_FILES_UPDATE           6
#define RN_K_IORING_REGISTER_EVENTFD_ASYNC          7
#define RN_K_IORING_REGISTER_PROBE                  8
#define RN_K_IORING_REGISTER_PERSONALITY            9
#define RN_K_IORING_UNREGISTER_PERSONALITY          10
#define RN_K_IORING_REGISTER_RESTRICTIONS           11
#define RN_K_IORING_REGISTER_ENABLE_RINGS           12
#define RN_K_IORING_REGISTER_FILES2                 13
#define RN_K_IORING_REGISTER_FILES_UPDATE2          14
#define RN_K_IORING_REGISTER_BUFFERS2               15
#define RN_K_IORING_REGISTER_BUFFERS_UPDATE         16
#define RN_K_IORING_REGISTER_IOWQ_AFF               17
#define RN_K_IORING_UNREGISTER_IOWQ_AFF             18
#define RN_K_IORING_REGISTER_IOWQ_MAX_WORKERS       19
#define RN_K_IORING_REGISTER_RING_FDS               20
#define RN_K_IORING_UNREGISTER_RING_FDS             21
#define RN_K_IORING_REGISTER_PBUF_RING              22
#define RN_K_IORING_UNREGISTER_PBUF_RING            23
#define RN_K_IORING_REGISTER_SYNC_CANCEL            24
#define RN_K_IORING_REGISTER_FILE_ALLOC_RANGE       25
#define RN_K_IORING_REGISTER_PBUF_STATUS            26
#define RN_K_IORING_REGISTER_NAPI                   27
#define RN_K_IORING_UNREGISTER_NAPI                 28
#define RN_K_IORING_REGISTER_CLOCK                  29
#define RN_K_IORING_REGISTER_CLONE_BUFFERS          30
#define RN_K_IORING_REGISTER_SEND_MSG_RING          31
#define RN_K_IORING_REGISTER_ZCRX_IFQ               32
#define RN_K_IORING_REGISTER_RESIZE_RINGS           33
#define RN_K_IORING_REGISTER_MEM_REGION             34
#define RN_K_IORING_REGISTER_USE_REGISTERED_RING    (1u << 31)
#define RN_K_IORING_REGISTER_FILES_SKIP             (-2)
#define RN_K_IORING_RSRC_REGISTER_SPARSE            (1u << 0)
#define RN_K_IO_URING_OP_SUPPORTED                  (1u << 0)

/* buf_reg.flags: the kernel maps the ring (6.4); one buffer serves many receives in turn (6.12). */
#define RN_K_IOU_PBUF_RING_MMAP                     1
#define RN_K_IOU_PBUF_RING_INC                      2

/* restriction.opcode */
#define RN_K_IORING_RESTRICTION_REGISTER_OP         0
#define RN_K_IORING_RESTRICTION_SQE_OP              1
#define RN_K_IORING_RESTRICTION_SQE_FLAGS_ALLOWED   2
#define RN_K_IORING_RESTRICTION_SQE_FLAGS_REQUIRED  3

/* sqe->cmd_op of URING_CMD on a socket (6.7) */
#define RN_K_SOCKET_URING_OP_SIOCINQ                0
#define RN_K_SOCKET_URING_OP_SIOCOUTQ               1
#define RN_K_SOCKET_URING_OP_GETSOCKOPT             2
#define RN_K_SOCKET_URING_OP_SETSOCKOPT             3

struct rn_k_io_uring_sqe {
    uint8_t opcode;
    uint8_t flags;
    uint16_t ioprio;
    int32_t fd;
    union {
        uint64_t off;
        uint64_t addr2;
        struct {
            uint32_t cmd_op;
            uint32_t pad1;
        };
    };
    union {
        uint64_t addr;
        uint64_t splice_off_in;
        struct {
            uint32_t level;
            uint32_t optname;
        };
    };
    uint32_t len;
    union {
        uint32_t rw_flags;
        uint32_t fsync_flags;
        uint32_t poll32_events;
        uint32_t msg_flags;
        uint32_t timeout_flags;
        uint32_t accept_flags;
        uint32_t cancel_flags;
        uint32_t open_flags;
        uint32_t statx_flags;
        uint32_t fadvise_advice;
        uint32_t splice_flags;
        uint32_t rename_flags;
        uint32_t unlink_flags;
        uint32_t msg_ring_flags;
        uint32_t uring_cmd_flags;
        uint32_t futex_flags;
        uint32_t install_fd_flags;
        uint32_t nop_flags;
    };
    uint64_t user_data;
    union {
        uint16_t buf_index;
        uint16_t buf_group;
    };
    uint16_t personality;
    union {
        int32_t splice_fd_in;
        uint32_t file_index;
        uint32_t optlen;
        struct {
            uint16_t addr_len;
            uint16_t pad3;
        };
    };
    union {
        uint64_t addr3;
        uint64_t optval;
    };
    uint64_t pad2;
};

struct rn_k_io_uring_cqe {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
};

struct rn_k_io_sqring_offsets {
    uint32_t head;
    uint32_t tail;
    uint32_t ring_mask;
    uint32_t ring_entries;
    uint32_t flags;
    uint32_t dropped;
    uint32_t array;
    uint32_t resv1;
    uint64_t user_addr;
};

struct rn_k_io_cqring_offsets {
    uint32_t head;
    uint32_t tail;
    uint32_t ring_mask;
    uint32_t ring_entries;
    uint32_t overflow;
    uint32_t cqes;
    uint32_t flags;
    uint32_t resv1;
    uint64_t user_addr;
};

struct rn_k_io_uring_params {
    uint32_t sq_entries;
    uint32_t cq_entries;
    uint32_t flags;
    uint32_t sq_thread_cpu;
    uint32_t sq_thread_idle;
    uint32_t features;
    uint32_t wq_fd;
    uint32_t resv[3];
    struct rn_k_io_sqring_offsets sq_off;
    struct rn_k_io_cqring_offsets cq_off;
};

/* A provided buffer; an array of these is a ring whose tail lies over the first one's resv. */
struct rn_k_io_uring_buf {
    uint64_t addr;
    uint32_t len;
    uint16_t bid;
    uint16_t resv;
};

struct rn_k_io_uring_buf_ring {
    union {
        struct {
            uint64_t resv1;
            uint32_t resv2;
            uint16_t resv3;
            uint16_t tail;
        };
        struct {
            struct {
            } empty; /* because a union may not hold a flexible array alone */
            struct rn_k_io_uring_buf bufs[];
        };
    };
};

struct rn_k_io_uring_buf_reg {
    uint64_t ring_addr;
    uint32_t ring_entries;
    uint16_t bgid;
    uint16_t flags;
    uint64_t resv[3];
};

struct rn_k_io_uring_buf_status {
    uint32_t buf_group;
    uint32_t head;
    uint32_t resv[8];
};

/* What a multishot recvmsg puts before the name, the control data and the payload. */
struct rn_k_io_uring_recvmsg_out {
    uint32_t namelen;
    uint32_t controllen;
    uint32_t payloadlen;
    uint32_t flags;
};

/* The argument of io_uring_enter with ENTER_EXT_ARG; ts points at a struct rn_k_timespec. */
struct rn_k_io_uring_getevents_arg {
    uint64_t sigmask;
    uint32_t sigmask_sz;
    uint32_t min_wait_usec; /* since 6.12, zero before */
    uint64_t ts;
};

struct rn_k_io_uring_probe_op {
    uint8_t op;
    uint8_t resv;
    uint16_t flags;
    uint32_t resv2;
};

struct rn_k_io_uring_probe {
    uint8_t last_op;
    uint8_t ops_len;
    uint16_t resv;
    uint32_t resv2[3];
    struct rn_k_io_uring_probe_op ops[];
};

struct rn_k_io_uring_restriction {
    uint16_t opcode;
    union {
        uint8_t register_op;
        uint8_t sqe_op;
        uint8_t sqe_flags;
    };
    uint8_t resv;
    uint32_t resv2[3];
};

struct rn_k_io_uring_rsrc_register {
    uint32_t nr;
    uint32_t flags;
    uint64_t resv2;
    uint64_t data;
    uint64_t tags;
};

/* For REGISTER_RING_FDS: offset in the task's table (~0u: any), data is the descriptor. */
struct rn_k_io_uring_rsrc_update {
    uint32_t offset;
    uint32_t resv;
    uint64_t data;
};

struct rn_k_io_uring_rsrc_update2 {
    uint32_t offset;
    uint32_t resv;
    uint64_t data;
    uint64_t tags;
    uint32_t nr;
    uint32_t resv2;
};

struct rn_k_io_uring_sync_cancel_reg {
    uint64_t addr;
    int32_t fd;
    uint32_t flags;
    struct rn_k_timespec timeout;
    uint8_t opcode; /* since 6.6, zero before */
    uint8_t pad[7];
    uint64_t pad2[3];
};

struct rn_k_io_uring_file_index_range {
    uint32_t off;
    uint32_t len;
    uint64_t resv;
};

struct rn_k_io_uring_clock_register {
    uint32_t clockid;
    uint32_t resv[3];
};

struct rn_k_io_uring_napi {
    uint32_t busy_poll_to;
    uint8_t prefer_busy_poll;
    uint8_t opcode;
    uint8_t pad[2];
    uint32_t op_param;
    uint32_t resv;
};

#endif
