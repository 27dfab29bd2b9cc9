/* A disk that is full as long as the file FULL_DISK_FLAG exists: writes fail with ENOSPC after
 * half of their bytes, as they do on a real one. Loaded with LD_PRELOAD by full_disk.rs. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int full(int fd) {
    const char *flag = getenv("FULL_DISK_FLAG");
    struct stat found;
    if (!flag || fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) return 0;
    return access(flag, F_OK) == 0;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset) {
    if (!full(fd)) return syscall(SYS_pwrite64, fd, data, len, offset);
    if (len > 1) return syscall(SYS_pwrite64, fd, data, len / 2, offset);
    errno = ENOSPC;
    return -1;
}
ssize_t pwrite(int fd, const void *data, size_t len, off_t offset) {
    return pwrite64(fd, data, len, offset);
}

ssize_t write(int fd, const void *data, size_t len) {
    if (!full(fd)) return syscall(SYS_write, fd, data, len);
    errno = ENOSPC;
    return -1;
}
