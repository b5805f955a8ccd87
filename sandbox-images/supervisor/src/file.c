#define _GNU_SOURCE
#include "file.h"
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_MODE = 0644 };

static void fail(struct file_op *f, int code, int number) {
  f->refusal = (struct refusal){code, number};
  f->done = 1;
}

static void fail_errno(struct file_op *f) {
  fail(f, errno == ELOOP ? ERROR_SYMLINK : ERROR_FILE, errno);
}

/* Looks before it opens: to open a device or a FIFO may already do something. */
static int look(struct file_op *f) {
  if (fstatat(f->place.directory, f->place.name, &f->status, AT_SYMLINK_NOFOLLOW) < 0) return 0;
  return 1;
}

static void start_read(struct file_op *f) {
  if (!look(f)) return fail_errno(f);
  if (S_ISLNK(f->status.st_mode)) return fail(f, ERROR_SYMLINK, ELOOP);
  if (S_ISDIR(f->status.st_mode)) return fail(f, ERROR_FILE, EISDIR);
  if (!S_ISREG(f->status.st_mode)) return fail(f, ERROR_NOT_REGULAR, 0);
  f->fd = openat(f->place.directory, f->place.name,
                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (f->fd < 0 || fstat(f->fd, &f->status) < 0) return fail_errno(f);
  if (!S_ISREG(f->status.st_mode)) return fail(f, ERROR_NOT_REGULAR, 0);
  f->has_status = 1;
}

static void start_list(struct file_op *f) {
  if (!look(f)) return fail_errno(f);
  if (S_ISLNK(f->status.st_mode)) return fail(f, ERROR_SYMLINK, ELOOP);
  int fd = openat(f->place.directory, f->place.name,
                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return fail_errno(f);
  f->listing = fdopendir(fd);
  if (!f->listing) {
    fail_errno(f);
    close(fd);
  }
}

static void start_status(struct file_op *f) {
  if (!look(f)) return fail_errno(f);
  f->has_status = 1;
  f->done = 1;
}

/* The new content goes to a file of its own and takes the name in one step at the end: a reader
 * inside sees the old or the new, and a link planted at the name is replaced, never written
 * through. */
static void start_write(struct file_op *f, uint32_t flags) {
  int there = look(f);
  if (!there && errno != ENOENT) return fail_errno(f);
  if (there && flags & WRITE_EXCLUSIVE) return fail(f, ERROR_FILE, EEXIST);
  if (there && S_ISLNK(f->status.st_mode)) return fail(f, ERROR_SYMLINK, ELOOP);
  if (there && S_ISDIR(f->status.st_mode)) return fail(f, ERROR_FILE, EISDIR);
  if (there && !S_ISREG(f->status.st_mode)) return fail(f, ERROR_NOT_REGULAR, 0);
  if (f->mode == WRITE_MODE_KEEP) f->mode = there ? f->status.st_mode : DEFAULT_MODE;
  f->mode &= 0777;
  snprintf(f->temporary, sizeof f->temporary, ".openexec-%u.tmp", f->channel);
  unlinkat(f->place.directory, f->temporary, 0);
  f->fd = openat(f->place.directory, f->temporary,
                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (f->fd >= 0) return;
  fail_errno(f);
  f->temporary[0] = 0;
}

static void start_mkdir(struct file_op *f) {
  f->done = 1;
  if (mkdirat(f->place.directory, f->place.name, f->mode & 0777) == 0) return;
  int number = errno;
  if (number == EEXIST && look(f) && S_ISDIR(f->status.st_mode)) return;
  fail(f, ERROR_FILE, number);
}

static void start_remove(struct file_op *f) {
  f->done = 1;
  if (!look(f)) return fail_errno(f);
  int directory = S_ISDIR(f->status.st_mode);
  if (unlinkat(f->place.directory, f->place.name, directory ? AT_REMOVEDIR : 0) < 0) fail_errno(f);
}

/* Bytes of fixed fields before the path. */
static size_t fixed_size(uint8_t type) {
  if (type == FRAME_READ) return 16;
  if (type == FRAME_WRITE) return 8;
  return type == FRAME_LIST || type == FRAME_MKDIR ? 4 : 0;
}

int file_start(struct file_op *f, const struct frame *frame) {
  char path[PATH_BYTES_MAX + 1];
  const uint8_t *at = frame->payload;
  size_t fixed = fixed_size(frame->type);
  f->type = frame->type;
  f->fd = -1;
  f->place.directory = -1;
  if (f->type == FRAME_PROBE) return 1;
  if (!path_parse(at + fixed, frame->length - fixed, path)) return 0;
  uint32_t flags = f->type == FRAME_WRITE ? get_u32(at + 4) : 0;
  if (flags & ~(uint32_t)WRITE_FLAGS_ALL) return 0;
  if (f->type == FRAME_WRITE || f->type == FRAME_MKDIR) f->mode = get_u32(at);
  f->limit = f->type == FRAME_READ ? get_u64(at + 8) : f->type == FRAME_LIST ? get_u32(at) : 0;
  int make = f->type == FRAME_MKDIR || flags & WRITE_PARENTS;
  if (!path_find(path, make, &f->place, &f->refusal)) {
    f->place.directory = -1;
    f->done = 1;
    return 1;
  }
  switch (f->type) {
  case FRAME_READ:
    start_read(f);
    if (f->fd >= 0 && lseek(f->fd, (off_t)get_u64(at), SEEK_SET) < 0) fail_errno(f);
    break;
  case FRAME_LIST: start_list(f); break;
  case FRAME_STAT: start_status(f); break;
  case FRAME_WRITE: start_write(f, flags); break;
  case FRAME_MKDIR: start_mkdir(f); break;
  default: start_remove(f); break;
  }
  return 1;
}

int file_input(struct file_op *f, uint64_t offset, const uint8_t *bytes, size_t length) {
  if (f->type != FRAME_WRITE || offset != f->passed) return 0;
  f->passed += length;
  if (f->done) return 1; /* it has failed; what was under way already is let through */
  while (length > 0) {
    ssize_t wrote = write(f->fd, bytes, length);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      fail_errno(f);
      return 1;
    }
    bytes += wrote;
    length -= (size_t)wrote;
  }
  return 1;
}

int file_input_end(struct file_op *f, uint64_t offset) {
  if (f->type != FRAME_WRITE || offset != f->passed) return 0;
  if (f->done) return 1;
  f->done = 1;
  int kept = fchmod(f->fd, f->mode) == 0 && renameat(f->place.directory, f->temporary,
                                                     f->place.directory, f->place.name) == 0;
  if (kept) f->temporary[0] = 0;
  else fail_errno(f);
  return 1;
}

int file_credit(struct file_op *f, int stream, uint64_t offset) {
  if (f->type == FRAME_WRITE || stream != STREAM_STDOUT) return 0;
  if (offset < f->credited || offset > f->sent) return 0;
  f->credited = offset;
  return 1;
}

void file_free(struct file_op *f) {
  if (f->temporary[0]) unlinkat(f->place.directory, f->temporary, 0);
  if (f->fd >= 0) close(f->fd);
  if (f->listing) closedir(f->listing);
  if (f->place.directory >= 0) close(f->place.directory);
}
