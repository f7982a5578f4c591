/* What fsync does to files below MEC_TEST_ROOT, as the file MEC_TEST_ORDERS says:
 *   ok         what it always does
 *   lie        nothing, and it says that all is well
 *   lie-log    the same to the log alone
 *   kill NEXT  the process ends before anything is synced, when the log has been written; NEXT is the order from then on
 *   eio NEXT   the same with an error instead of the end
 * The log is SQLite's -wal file, or a file in PostgreSQL's pg_wal. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 4096

static volatile char is_dirty[FILES];

static int is_log(const char *path) {
  size_t length = strlen(path);
  return (length > 4 && strcmp(path + length - 4, "-wal") == 0) || strstr(path, "/pg_wal/") != NULL;
}

static void put(const char *text) {
  int file = open(getenv("MEC_TEST_ORDERS"), O_WRONLY | O_TRUNC);
  if (file >= 0) {
    if (syscall(SYS_write, file, text, strlen(text)) < 0) abort();
    close(file);
  }
}

static int sync_as_told(long number, int fd) {
  char link[64], path[4096], order[64] = "", *next;
  const char *root = getenv("MEC_TEST_ROOT"), *orders = getenv("MEC_TEST_ORDERS");
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (root == NULL || orders == NULL || length < 0) return (int)syscall(number, fd);
  path[length] = 0;
  int was_dirty = fd < FILES && is_dirty[fd];
  if (fd < FILES) is_dirty[fd] = 0;
  if (strncmp(path, root, strlen(root)) != 0) return (int)syscall(number, fd);
  int file = open(orders, O_RDONLY);
  if (file < 0) abort();
  ssize_t said = syscall(SYS_read, file, order, sizeof order - 1);
  close(file);
  if (said < 0) abort();
  order[said] = 0;
  if (strcmp(order, "lie") == 0) return 0;
  if (strcmp(order, "lie-log") == 0 && is_log(path)) return 0;
  next = strchr(order, ' ');
  if (next != NULL && was_dirty && is_log(path)) {
    char struck[64];
    int is_kill = strncmp(order, "kill", 4) == 0;
    snprintf(struck, sizeof struck, "%s", next + 1);
    put(struck);
    if (is_kill) kill(getpid(), SIGKILL);
    errno = EIO;
    return -1;
  }
  return (int)syscall(number, fd);
}

int fsync(int fd) { return sync_as_told(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_as_told(SYS_fdatasync, fd); }

static void wrote(int fd) {
  if (fd >= 0 && fd < FILES) is_dirty[fd] = 1;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  wrote(fd);
  return syscall(SYS_write, fd, bytes, length);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
  wrote(fd);
  return syscall(SYS_pwrite64, fd, bytes, length, at);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return pwrite64(fd, bytes, length, at); }
ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at) {
  wrote(fd);
  return syscall(SYS_pwritev, fd, pieces, count, at, 0);
}
