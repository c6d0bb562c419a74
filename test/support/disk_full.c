/*
 * A full disk without one: preloaded into a server (LD_PRELOAD), it lets writes fail with ENOSPC in files whose path
 * matches the pattern (glob) that stands in the file named by $DISK_FULL, as long as that file exists.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_full(int fd) {
  const char *const control = getenv("DISK_FULL");
  const int pattern_fd = control ? open(control, O_RDONLY | O_CLOEXEC) : -1;
  if (pattern_fd < 0) return 0;
  char pattern[512], path[512], link[64];
  const ssize_t pattern_size = read(pattern_fd, pattern, sizeof pattern - 1);
  close(pattern_fd);
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t path_size = readlink(link, path, sizeof path - 1);
  if (pattern_size <= 0 || path_size <= 0) return 0;
  pattern[pattern_size] = path[path_size] = 0;
  return fnmatch(pattern, path, 0) == 0;
}

/* errno is the caller's where the write goes on. */
#define WRITER(result, name, parameters, arguments)               \
  result name parameters {                                        \
    const int saved = errno;                                      \
    if (is_full(fd)) return errno = ENOSPC, -1;                   \
    errno = saved;                                                \
    result(*next) parameters = dlsym(RTLD_NEXT, #name);           \
    return next arguments;                                        \
  }

WRITER(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
WRITER(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at))
WRITER(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at))
WRITER(ssize_t, pwritev, (int fd, const struct iovec *from, int count, off_t at), (fd, from, count, at))
WRITER(ssize_t, pwritev64, (int fd, const struct iovec *from, int count, off64_t at), (fd, from, count, at))
