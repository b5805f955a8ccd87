#include "request.h"

#include <stdlib.h>
#include <string.h>

enum { FIXED = 28 };

/* The strings end in one NUL each, so their count is known before anything is allocated. */
static int count_strings(const uint8_t *at, size_t length, size_t expected) {
  size_t seen = 0;
  if (length == 0 || at[length - 1] != 0) return 0;
  for (size_t i = 0; i < length; i++) seen += at[i] == 0;
  return seen == expected;
}

static char *point(char *at, char **list, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    list[i] = at;
    at += strlen(at) + 1;
  }
  list[count] = NULL;
  return at;
}

int exec_request_parse(const uint8_t *payload, size_t length, struct exec_request *out) {
  if (length <= FIXED) return 0;
  uint32_t argc = get_u32(payload + 20), envc = get_u32(payload + 24);
  out->flags = get_u32(payload);
  out->timeout_ms = get_u32(payload + 4);
  out->output_limit = get_u64(payload + 8);
  out->rows = get_u16(payload + 16);
  out->columns = get_u16(payload + 18);
  if (out->flags & ~(uint32_t)EXEC_FLAGS_ALL) return 0;
  if (argc == 0 || argc > ARGS_MAX || envc > ENVS_MAX) return 0;
  if (!count_strings(payload + FIXED, length - FIXED, (size_t)1 + argc + envc)) return 0;
  char **lists = calloc((size_t)argc + envc + 2, sizeof *lists);
  if (!lists) return 0;
  /* execve() wants writable pointers but never writes through them. */
  char *at = (char *)(uintptr_t)(payload + FIXED);
  out->cwd = at;
  out->argv = lists;
  out->envp = lists + argc + 1;
  at = point(at + strlen(at) + 1, out->argv, argc);
  point(at, out->envp, envc);
  if (out->cwd[0] != '/' || out->argv[0][0] == 0) {
    exec_request_free(out);
    return 0;
  }
  return 1;
}

void exec_request_free(struct exec_request *request) {
  free(request->argv);
  request->argv = NULL;
}

int path_parse(const uint8_t *bytes, size_t length, char *out) {
  if (length == 0 || length > PATH_BYTES_MAX || bytes[0] != '/') return 0;
  if (memchr(bytes, 0, length)) return 0;
  memcpy(out, bytes, length);
  out[length] = 0;
  return 1;
}
