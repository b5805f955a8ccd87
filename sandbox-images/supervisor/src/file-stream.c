#define _GNU_SOURCE
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { ENTRY_FIXED = 24, SECTION_FIXED = 8 };

/* The first group speaks of the supervisor itself, and so of every command: what it lacks, no
 * child of it can have. Limits are read from both kinds of control groups; one kind is missing. */
static const char *const PROBE_FILES[] = {
    "/proc/self/status",
    "/proc/self/limits",
    "/proc/self/mountinfo",
    "/proc/self/cgroup",
    "/proc/net/dev",
    "/proc/net/route",
    "/proc/sys/kernel/osrelease",
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory.swap.max",
    "/sys/fs/cgroup/pids.max",
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
    "/sys/fs/cgroup/pids/pids.max",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
    NULL,
};

static uint8_t type_letter(mode_t mode) {
  if (S_ISREG(mode)) return 'f';
  if (S_ISDIR(mode)) return 'd';
  if (S_ISLNK(mode)) return 'l';
  if (S_ISFIFO(mode)) return 'p';
  if (S_ISSOCK(mode)) return 's';
  return S_ISCHR(mode) ? 'c' : S_ISBLK(mode) ? 'b' : '?';
}

static uint64_t modified_ns(const struct stat *s) {
  return (uint64_t)s->st_mtim.tv_sec * 1000000000u + (uint64_t)s->st_mtim.tv_nsec;
}

static int say_status(struct file_op *f, struct out *o) {
  uint8_t *at = out_frame(o, (struct frame_head){FRAME_FILE, 0, f->channel}, 32, NULL, 0);
  if (!at) return 0;
  put_u32(at, (uint32_t)type_letter(f->status.st_mode) << 24);
  put_u32(at + 4, f->status.st_mode & 07777);
  put_u64(at + 8, (uint64_t)f->status.st_size);
  put_u64(at + 16, modified_ns(&f->status));
  put_u32(at + 24, f->status.st_uid);
  put_u32(at + 28, f->status.st_gid);
  f->told_status = 1;
  return 1;
}

/* Fills `into` with file content. Returns its length; 0 ends the operation. */
static size_t fill_content(struct file_op *f, uint8_t *into, size_t room) {
  uint64_t left = f->limit - f->passed;
  size_t want = left < room ? (size_t)left : room;
  ssize_t got = want ? read(f->fd, into, want) : 0;
  if (got < 0) f->refusal = (struct refusal){ERROR_FILE, errno};
  if (got <= 0) {
    uint8_t more;
    f->done = 1;
    f->cut = want == 0 && read(f->fd, &more, 1) == 1;
    return 0;
  }
  f->passed += (uint64_t)got;
  return (size_t)got;
}

static size_t put_entry(struct file_op *f, const char *name, uint8_t *at) {
  struct stat s;
  size_t length = strlen(name);
  /* It may have gone since the directory was read. */
  if (fstatat(dirfd(f->listing), name, &s, AT_SYMLINK_NOFOLLOW) < 0) return 0;
  at[0] = type_letter(s.st_mode);
  at[1] = 0;
  put_u16(at + 2, (uint16_t)length);
  put_u32(at + 4, s.st_mode & 07777);
  put_u64(at + 8, (uint64_t)s.st_size);
  put_u64(at + 16, modified_ns(&s));
  memcpy(at + ENTRY_FIXED, name, length);
  return ENTRY_FIXED + length;
}

static size_t fill_entries(struct file_op *f, uint8_t *into, size_t room) {
  size_t used = 0;
  while (room - used >= ENTRY_FIXED + NAME_MAX) {
    struct dirent *e = readdir(f->listing);
    if (!e) {
      f->done = 1;
      break;
    }
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    if (f->passed == f->limit) {
      f->done = 1;
      f->cut = 1;
      break;
    }
    /* One that vanished counts as well: a directory that is being filled and emptied must not
     * keep the supervisor here. */
    used += put_entry(f, e->d_name, into + used);
    f->passed++;
  }
  return used;
}

static size_t read_whole(const char *path, uint8_t *into, size_t room, uint32_t *status) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t used = 0;
  *status = fd < 0 ? 1 : 0;
  while (fd >= 0 && used < room) {
    ssize_t got = read(fd, into + used, room - used);
    if (got <= 0) break;
    used += (size_t)got;
  }
  if (used == room) *status = 2;
  if (fd >= 0) close(fd);
  return used;
}

/* One file of the probe: length of its name, whether it was there (0), missing (1) or cut (2),
 * length of its content, then both. */
static size_t fill_section(struct file_op *f, uint8_t *into, size_t room) {
  const char *path = PROBE_FILES[f->section++];
  uint32_t status;
  if (!path) {
    f->done = 1;
    return 0;
  }
  size_t name = strlen(path);
  size_t length = read_whole(path, into + SECTION_FIXED + name, room - SECTION_FIXED - name, &status);
  put_u16(into, (uint16_t)name);
  put_u16(into + 2, (uint16_t)status);
  put_u32(into + 4, (uint32_t)length);
  memcpy(into + SECTION_FIXED, path, name);
  f->passed += length;
  return SECTION_FIXED + name + length;
}

static int say_bulk(struct file_op *f, struct out *o) {
  uint64_t open = OUTPUT_WINDOW - (f->sent - f->credited);
  if (open < DATA_MAX) return 1;
  if (o->bulk_used || !out_room(o, 8)) return 0;
  size_t length = f->type == FRAME_READ   ? fill_content(f, o->bulk, DATA_MAX)
                  : f->type == FRAME_LIST ? fill_entries(f, o->bulk, DATA_MAX)
                                          : fill_section(f, o->bulk, DATA_MAX);
  if (length == 0) return 1;
  struct frame_head head = {FRAME_DATA, STREAM_STDOUT, f->channel};
  uint8_t *at = out_frame(o, head, 8, o->bulk, length);
  put_u64(at, f->sent);
  f->sent += length;
  o->bulk_used = DATA_MAX;
  return 1;
}

static int say_result(struct file_op *f, struct out *o) {
  if (f->refusal.code) return out_error(o, f->channel, f->refusal.code, f->refusal.number);
  uint8_t *at = out_frame(o, (struct frame_head){FRAME_RESULT, 0, f->channel}, 12, NULL, 0);
  if (!at) return 0;
  put_u64(at, f->passed);
  put_u32(at + 8, (uint32_t)f->cut);
  return 1;
}

static int say_input_credit(struct file_op *f, struct out *o) {
  if (f->passed == f->credited) return 1;
  uint8_t *at = out_frame(o, (struct frame_head){FRAME_INPUT_CREDIT, 0, f->channel}, 8, NULL, 0);
  if (!at) return 0;
  put_u64(at, f->passed);
  f->credited = f->passed;
  return 1;
}

int file_compose(struct file_op *f, struct out *o) {
  if (f->told_end) return 1;
  if (f->has_status && !f->told_status && !say_status(f, o)) return 0;
  if (!f->done) {
    int said = f->type == FRAME_WRITE ? say_input_credit(f, o) : say_bulk(f, o);
    if (!said) return 0;
  }
  if (!f->done) return 1;
  int said = say_result(f, o);
  if (said) f->told_end = 1;
  return said;
}
