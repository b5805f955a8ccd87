/* Reads the payloads of requests. Pure: it judges bytes and points into them. */
#ifndef REQUEST_H
#define REQUEST_H

#include "wire.h"

struct exec_request {
  uint32_t flags;
  uint32_t timeout_ms;   /* 0: none */
  uint64_t output_limit; /* bytes of both streams together; 0: none */
  uint16_t rows;
  uint16_t columns;
  const char *cwd;
  char **argv; /* NULL-terminated; the strings lie in the payload */
  char **envp;
};

/* 0 when the payload is malformed or memory is out. On success call exec_request_free(). */
int exec_request_parse(const uint8_t *payload, size_t length, struct exec_request *out);
void exec_request_free(struct exec_request *request);

/* Copies a path into a NUL-terminated buffer of PATH_BYTES_MAX + 1; 0 when it is empty, not
 * absolute or holds a NUL. */
int path_parse(const uint8_t *bytes, size_t length, char *out);

#endif
