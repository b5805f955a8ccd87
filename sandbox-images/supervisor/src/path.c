#define _GNU_SOURCE
#include "path.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 256 };

static struct {
  char path[256];
  size_t length;
  int fd;
} roots[ROOTS_MAX];
static int root_count;

int path_add_root(const char *path) {
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') length--;
  if (root_count == ROOTS_MAX || path[0] != '/' || length < 2 || length >= sizeof roots->path)
    return 0;
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return 1;
  memcpy(roots[root_count].path, path, length);
  roots[root_count].length = length;
  roots[root_count].fd = fd;
  root_count++;
  return 1;
}

static int refuse(struct refusal *why, int code, int number) {
  *why = (struct refusal){code, number};
  return 0;
}

/* The longest root the path lies under; what follows it is left in `rest`. */
static int find_root(const char *path, const char **rest) {
  int best = -1;
  for (int i = 0; i < root_count; i++) {
    size_t length = roots[i].length;
    if (strncmp(path, roots[i].path, length) != 0) continue;
    if (path[length] != '/' && path[length] != 0) continue;
    if (best < 0 || length > roots[best].length) best = i;
  }
  if (best < 0) return -1;
  *rest = path + roots[best].length;
  return roots[best].fd;
}

/* Takes the next component; 1 taken, 0 none left, -1 not acceptable. */
static int next_component(const char **rest, char *name, struct refusal *why) {
  for (;;) {
    while (**rest == '/') (*rest)++;
    size_t length = strcspn(*rest, "/");
    if (length == 0) return 0;
    if (length > NAME_MAX) return refuse(why, ERROR_FILE, ENAMETOOLONG) - 1;
    memcpy(name, *rest, length);
    name[length] = 0;
    *rest += length;
    if (strcmp(name, "..") == 0) return refuse(why, ERROR_OUTSIDE, 0) - 1;
    if (strcmp(name, ".") != 0) return 1;
  }
}

static int open_directory(int parent, const char *name) {
  return openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Enters one directory and closes the one above. Returns -1 with the refusal set. */
static int enter(int parent, const char *name, int make, struct refusal *why) {
  int fd = open_directory(parent, name);
  if (fd < 0 && errno == ENOENT && make) {
    if (mkdirat(parent, name, 0755) == 0 || errno == EEXIST) fd = open_directory(parent, name);
  }
  int number = errno;
  struct stat s;
  if (fd < 0) {
    int linked = fstatat(parent, name, &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(s.st_mode);
    refuse(why, linked ? ERROR_SYMLINK : ERROR_FILE, linked ? ELOOP : number);
  }
  close(parent);
  return fd;
}

int path_find(const char *path, int make_parents, struct place *out, struct refusal *why) {
  const char *rest;
  int root = find_root(path, &rest);
  if (root < 0) return refuse(why, ERROR_OUTSIDE, 0);
  int at = fcntl(root, F_DUPFD_CLOEXEC, 3);
  if (at < 0) return refuse(why, ERROR_FILE, errno);
  char name[NAME_MAX + 1] = ".", next[NAME_MAX + 1];
  int taken = next_component(&rest, name, why);
  for (int depth = 0; taken == 1; depth++) {
    taken = next_component(&rest, next, why);
    if (taken == 1 && depth >= DEPTH_MAX) taken = refuse(why, ERROR_FILE, ENAMETOOLONG) - 1;
    if (taken != 1) break;
    at = enter(at, name, make_parents, why);
    if (at < 0) return 0;
    strcpy(name, next);
  }
  if (taken < 0) {
    close(at);
    return 0;
  }
  out->directory = at;
  strcpy(out->name, name);
  return 1;
}
