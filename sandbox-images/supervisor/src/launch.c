#define _GNU_SOURCE
#include "launch.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char DEFAULT_PATH[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const char *search_path(char **envp) {
  for (; *envp; envp++)
    if (strncmp(*envp, "PATH=", 5) == 0) return *envp + 5;
  return DEFAULT_PATH;
}

/* execvpe() without its fallback to a shell: a file the kernel cannot execute is an error, never
 * a script for /bin/sh. Searches the command's own PATH. Returns errno. */
static int execute(const struct launch *l) {
  const char *name = l->argv[0];
  if (strchr(name, '/')) {
    execve(name, l->argv, l->envp);
    return errno;
  }
  int denied = 0;
  const char *path = search_path(l->envp);
  for (const char *next; path; path = next) {
    const char *colon = strchr(path, ':');
    int length = colon ? (int)(colon - path) : (int)strlen(path);
    next = colon ? colon + 1 : NULL;
    char file[PATH_BYTES_MAX + 256];
    int wrote = snprintf(file, sizeof file, "%.*s%s%s", length, path, length ? "/" : "./", name);
    if (wrote < 0 || (size_t)wrote >= sizeof file) continue;
    execve(file, l->argv, l->envp);
    if (errno == EACCES) denied = 1;
    else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE) return errno;
  }
  return denied ? EACCES : ENOENT;
}

/* Runs in a vfork()ed child: it shares memory with the warden, which waits, so it may only make
 * system calls and write to its own frame and to `result`. */
static void become(const struct launch *l, volatile struct launched *result) {
  sigset_t none;
  sigemptyset(&none);
  result->stage = ERROR_SPAWN;
  if (setsid() < 0) goto failed;
  if (l->pty && ioctl(l->in, TIOCSCTTY, 0) < 0) goto failed;
  if (dup2(l->in, 0) < 0 || dup2(l->out, 1) < 0 || dup2(l->err, 2) < 0) goto failed;
  result->stage = ERROR_CWD;
  if (chdir(l->cwd) < 0) goto failed;
  result->stage = ERROR_EXEC;
  sigprocmask(SIG_SETMASK, &none, NULL);
  result->number = execute(l);
  _exit(127);
failed:
  result->number = errno;
  _exit(127);
}

struct launched launch(const struct launch *l) {
  volatile struct launched result = {0, 0, 0};
  pid_t pid = vfork();
  if (pid == 0) become(l, &result);
  if (pid < 0) {
    result.stage = ERROR_SPAWN;
    result.number = errno;
  } else if (result.number == 0) {
    result.pid = pid;
  }
  return (struct launched){result.pid, result.stage, result.number};
}
