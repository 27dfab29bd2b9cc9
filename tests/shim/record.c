/* Records what a process does to the files below SHIM_ROOT into the file SHIM_TRACE, in order.
 *
 * Loaded with LD_PRELOAD by tests/src/bin/power_loss. Every call still happens; a record is
 * written while a lock is held, so that the trace is one order of all calls. Space is not
 * preallocated, so that the size of a file comes from its writes alone.
 *
 * A record: op (1 byte), inode (8), offset or flags (8), bytes of data (4), bytes of path (4),
 * path, data; numbers in the byte order of the machine. Ops: O open a file, D open a folder,
 * W write, T set the length, F sync, C make a folder, N rename (data: the new path), U unlink.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096
#define HEADER 25

static int trace_fd = -1;
static const char *root;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* The inode behind each descriptor below the root; 0 for all others. */
static uint64_t inode_of[FDS];

__attribute__((constructor)) static void start(void) {
    const char *trace = getenv("SHIM_TRACE");
    root = getenv("SHIM_ROOT");
    if (root && trace)
        trace_fd = syscall(SYS_openat, AT_FDCWD, trace, O_CREAT | O_WRONLY | O_APPEND, 0644);
}

static int below_root(const char *path) {
    return trace_fd >= 0 && path && strncmp(path, root, strlen(root)) == 0;
}

static uint64_t tracked(int fd) { return fd >= 0 && fd < FDS ? inode_of[fd] : 0; }

static void write_all(const char *bytes, size_t left) {
    while (left > 0) {
        ssize_t wrote = syscall(SYS_write, trace_fd, bytes, left);
        if (wrote <= 0) _exit(99); /* a trace with a hole would prove nothing */
        bytes += wrote;
        left -= wrote;
    }
}

static void record(char op, uint64_t inode, int64_t offset, const char *path, const void *data,
                   uint32_t data_len) {
    uint32_t path_len = path ? strlen(path) : 0;
    size_t total = HEADER + path_len + data_len;
    char *bytes = malloc(total);
    if (!bytes) _exit(99);
    bytes[0] = op;
    memcpy(bytes + 1, &inode, 8);
    memcpy(bytes + 9, &offset, 8);
    memcpy(bytes + 17, &data_len, 4);
    memcpy(bytes + 21, &path_len, 4);
    if (path_len) memcpy(bytes + HEADER, path, path_len);
    if (data_len) memcpy(bytes + HEADER + path_len, data, data_len);
    write_all(bytes, total);
    free(bytes);
}

static void track(int fd, const char *path, int flags) {
    struct stat found;
    if (fd < 0 || fd >= FDS) return;
    inode_of[fd] = 0;
    if (!below_root(path) || fstat(fd, &found) != 0) return;
    inode_of[fd] = found.st_ino;
    record(S_ISDIR(found.st_mode) ? 'D' : 'O', found.st_ino, flags, path, 0, 0);
    if ((flags & O_TRUNC) && S_ISREG(found.st_mode)) record('T', found.st_ino, 0, 0, 0, 0);
}

static int open_at(int folder, const char *path, int flags, int mode) {
    pthread_mutex_lock(&lock);
    int fd = syscall(SYS_openat, folder, path, flags, mode);
    int error = errno;
    if (fd >= 0) track(fd, path, flags);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

#define MODE_ARGUMENT(after)           \
    va_list arguments;                 \
    va_start(arguments, after);        \
    int mode = va_arg(arguments, int); \
    va_end(arguments)

int open(const char *path, int flags, ...) {
    MODE_ARGUMENT(flags);
    return open_at(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE_ARGUMENT(flags);
    return open_at(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE_ARGUMENT(flags);
    return open_at(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE_ARGUMENT(flags);
    return open_at(folder, path, flags, mode);
}

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS) inode_of[fd] = 0;
    int result = syscall(SYS_close, fd);
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static ssize_t write_at(int fd, const void *data, size_t len, off_t offset) {
    if (!tracked(fd)) return syscall(SYS_pwrite64, fd, data, len, offset);
    pthread_mutex_lock(&lock);
    ssize_t wrote = syscall(SYS_pwrite64, fd, data, len, offset);
    int error = errno;
    if (wrote > 0) record('W', tracked(fd), offset, 0, data, wrote);
    pthread_mutex_unlock(&lock);
    errno = error;
    return wrote;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset) {
    return write_at(fd, data, len, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset) {
    return write_at(fd, data, len, offset);
}

static off_t place_of_next_write(int fd) {
    struct stat found;
    int appends = fcntl(fd, F_GETFL) & O_APPEND;
    if (appends && fstat(fd, &found) == 0) return found.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *data, size_t len) {
    if (!tracked(fd)) return syscall(SYS_write, fd, data, len);
    pthread_mutex_lock(&lock);
    off_t offset = place_of_next_write(fd);
    ssize_t wrote = syscall(SYS_write, fd, data, len);
    int error = errno;
    if (wrote > 0) record('W', tracked(fd), offset, 0, data, wrote);
    pthread_mutex_unlock(&lock);
    errno = error;
    return wrote;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!tracked(fd)) return syscall(SYS_writev, fd, parts, count);
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t wrote = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (wrote < 0) return total ? total : wrote;
        total += wrote;
        if ((size_t)wrote < parts[i].iov_len) break;
    }
    return total;
}

/* What was written after the call began may be durable or not, so the record stands first: the
 * simulation then keeps fewer writes than a real disk would have to. */
static int sync_file(int fd, int number) {
    uint64_t inode = tracked(fd);
    if (!inode) return syscall(number, fd);
    pthread_mutex_lock(&lock);
    record('F', inode, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    return 0; /* nobody pulls this machine's plug */
}

int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

/* Starts writing and waits for it, but does not empty the disk's cache and says nothing of the
 * length: for a power cut it counts as nothing. */
int sync_file_range(int fd, off64_t offset, off64_t len, unsigned int flags) {
    if (!tracked(fd)) return syscall(SYS_sync_file_range, fd, offset, len, flags);
    return 0;
}

int ftruncate64(int fd, off64_t len) {
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_ftruncate, fd, len);
    int error = errno;
    if (result == 0 && tracked(fd)) record('T', tracked(fd), len, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int ftruncate(int fd, off_t len) { return ftruncate64(fd, len); }

int fallocate64(int fd, int mode, off64_t offset, off64_t len) {
    if (!tracked(fd)) return syscall(SYS_fallocate, fd, mode, offset, len);
    errno = EOPNOTSUPP;
    return -1;
}
int fallocate(int fd, int mode, off_t offset, off_t len) {
    return fallocate64(fd, mode, offset, len);
}

int mkdir(const char *path, mode_t mode) {
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    int error = errno;
    if (result == 0 && below_root(path)) record('C', 0, 0, path, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    int error = errno;
    if (result == 0 && below_root(from)) record('N', 0, 0, from, to, strlen(to));
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int unlink(const char *path) {
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    int error = errno;
    if (result == 0 && below_root(path)) record('U', 0, 0, path, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
