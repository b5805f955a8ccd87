#define _GNU_SOURCE
#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A container's pid limit is far below; beyond it the next pass finds the rest. */
enum { PROCESSES_MAX = 32768, STOP_ROUNDS_MAX = 16 };

struct process {
  pid_t pid;
  pid_t parent;
  char state;
  char mark; /* 'k' kin of the root, 's' spared, 0 not known */
};

struct census {
  struct process *list;
  size_t count;
};

/* "pid (name) S ppid …": the name may hold anything, so the last ')' is what counts. */
static int read_process(pid_t pid, struct process *out) {
  char path[32], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return 0;
  text[got] = 0;
  const char *after = strrchr(text, ')');
  int parent;
  if (!after || sscanf(after, ") %c %d", &out->state, &parent) != 2) return 0;
  out->pid = pid;
  out->parent = parent;
  out->mark = 0;
  return 1;
}

static struct census take_census(void) {
  struct census c = {calloc(PROCESSES_MAX, sizeof *c.list), 0};
  DIR *proc = c.list ? opendir("/proc") : NULL;
  if (!proc) return c;
  for (struct dirent *e; c.count < PROCESSES_MAX && (e = readdir(proc));) {
    if (e->d_name[0] < '1' || e->d_name[0] > '9') continue;
    if (read_process((pid_t)atoi(e->d_name), &c.list[c.count])) c.count++;
  }
  closedir(proc);
  return c;
}

static char mark_of(const struct census *c, pid_t pid) {
  for (size_t i = 0; i < c->count; i++)
    if (c->list[i].pid == pid) return c->list[i].mark;
  return 0;
}

static void mark_kin(struct census *c, pid_t root, const pid_t *spared, size_t spared_count) {
  for (size_t i = 0; i < c->count; i++)
    for (size_t s = 0; s < spared_count; s++)
      if (c->list[i].pid == spared[s]) c->list[i].mark = 's';
  for (int changed = 1; changed;) {
    changed = 0;
    for (size_t i = 0; i < c->count; i++) {
      struct process *p = &c->list[i];
      if (p->mark) continue;
      char mark = p->parent == root ? 'k' : mark_of(c, p->parent);
      if (mark) {
        p->mark = mark;
        changed = 1;
      }
    }
  }
}

static size_t signal_kin(const struct census *c, int signo) {
  size_t hit = 0;
  for (size_t i = 0; i < c->count; i++) {
    const struct process *p = &c->list[i];
    if (p->mark != 'k' || p->state == 'Z') continue;
    if (signo == SIGSTOP && (p->state == 'T' || p->state == 't')) continue;
    kill(p->pid, signo);
    hit++;
  }
  return hit;
}

size_t kill_descendants(pid_t root, const pid_t *spared, size_t spared_count) {
  size_t found = 0;
  for (int round = 0; round < STOP_ROUNDS_MAX; round++) {
    struct census c = take_census();
    mark_kin(&c, root, spared, spared_count);
    size_t running = signal_kin(&c, SIGSTOP);
    if (running == 0 || round == STOP_ROUNDS_MAX - 1) found = signal_kin(&c, SIGKILL);
    free(c.list);
    if (running == 0) break;
  }
  return found;
}
