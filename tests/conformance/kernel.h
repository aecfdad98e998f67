/*
 * conformance/kernel.h: the calls that the tests make beside the backend under test, by the name of
 * the system call. They go to the kernel, or to the simulated one, and return what it returns: a
 * negative errno where a libc has -1.
 */
#ifndef CONFORMANCE_KERNEL_H
#define CONFORMANCE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>

/* From here on until the end of the test: a new world, or none. */
void kernel_begin(bool simulated);
void kernel_end(void);
bool kernel_is_simulated(void);
unsigned kernel_descriptors(void); /* that are open */

/* A new directory; its path replaces the template, mkdtemp(3). */
void kernel_mkdtemp(char *path);
void kernel_rmdir(const char *path);

int kernel_socket(int family, int type, int protocol);
int kernel_socketpair(int family, int type, int protocol, int fds[2]);
int kernel_bind(int fd, const struct sockaddr *address, socklen_t len);
int kernel_listen(int fd, int backlog);
int kernel_connect(int fd, const struct sockaddr *address, socklen_t len);
int kernel_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int kernel_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
ssize_t kernel_send(int fd, const void *from, size_t len, int flags);
ssize_t kernel_sendto(int fd, const void *from, size_t len, int flags,
                      const struct sockaddr *address, socklen_t address_len);
ssize_t kernel_recv(int fd, void *to, size_t len, int flags);
ssize_t kernel_read(int fd, void *to, size_t len);
ssize_t kernel_write(int fd, const void *from, size_t len);
ssize_t kernel_pwrite(int fd, const void *from, size_t len, off_t offset);
off_t kernel_lseek(int fd, off_t offset, int whence);
int kernel_close(int fd);
int kernel_dup(int fd);
int kernel_fcntl(int fd, int command);
int kernel_pipe2(int fds[2], int flags);
int kernel_memfd_create(const char *name, unsigned flags);
int kernel_ftruncate(int fd, off_t size);
int kernel_unlinkat(int dir, const char *path, int flags);
int kernel_getrlimit(int resource, struct rlimit *limit);
int kernel_setrlimit(int resource, const struct rlimit *limit);

#endif
