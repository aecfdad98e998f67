"""What this kernel offers, and how to take some of it away by a seccomp filter."""
import ctypes
import errno
import os
import re
import struct

IO_URING_SETUP = 425
IO_URING_REGISTER = 427
EPOLL_CREATE1 = {"x86_64": 291, "aarch64": 20}.get(os.uname().machine)

PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
BPF_LD_W_ABS = 0x20
BPF_JMP_JEQ_K = 0x15
BPF_RET_K = 0x06

libc = ctypes.CDLL(None, use_errno=True)


def io_uring_refusal():
    """Why the uring backend can't run here, or None."""
    release = os.uname().release
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if numbers and tuple(map(int, numbers.groups())) < (6, 1):
        return f"Linux {release} is older than 6.1, the first that the uring backend supports"
    params = ctypes.create_string_buffer(120)
    fd = libc.syscall(IO_URING_SETUP, 1, params)
    if fd < 0:
        return f"the kernel refuses io_uring: {errno.errorcode.get(ctypes.get_errno(), '?')}"
    os.close(fd)
    return None


def deny(refusals):
    """A function for a child before exec: from then on the system calls in {number: errno} fail."""
    program = [struct.pack("HBBI", BPF_LD_W_ABS, 0, 0, 0)]
    for number, error in refusals.items():
        program.append(struct.pack("HBBI", BPF_JMP_JEQ_K, 0, 1, number))
        program.append(struct.pack("HBBI", BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | error))
    program.append(struct.pack("HBBI", BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW))
    code = ctypes.create_string_buffer(b"".join(program))
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))

    def install():
        zero = ctypes.c_ulong(0)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
        if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), header, zero, zero) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")

    install.keep = code
    return install
