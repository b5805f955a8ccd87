/* The numbers both ends of the pipe agree on; docs/protocol.md is the same in words.
 * Everything is big-endian. A frame is a 12-byte header, the payload and, towards the
 * supervisor only, one END byte. END never occurs in the session key, which is what lets the
 * decoder tell a finished frame from one torn by a lost orchestrator and filled up by the key. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

enum {
  PROTOCOL_VERSION = 1,
  HEADER_SIZE = 12,
  END_BYTE = '\n',
  KEY_SIZE = 64,    /* lower-case hex */
  MARKER_SIZE = 32, /* raw bytes */

  DATA_MAX = 64 * 1024,      /* bytes of a stream in one frame */
  EXEC_MAX = 1024 * 1024,    /* payload of EXEC */
  PATH_BYTES_MAX = 4096,
  OUTPUT_WINDOW = 512 * 1024, /* unacknowledged bytes of one output stream */
  INPUT_WINDOW = 256 * 1024,  /* bytes of one input stream on their way to the process */
  CHANNELS_MAX = 64,
  DOOR_WINDOW = 256 * 1024,         /* bytes of a connection to the orchestrator on their way */
  DOOR_WINDOW_CROWDED = 64 * 1024,  /* the same while there are many */
  DOOR_INPUT_WINDOW = 1024 * 1024,  /* bytes to the client on their way */
  DOOR_INPUT_STEP = 128 * 1024,     /* credit for them comes in steps */
  DOOR_CONNECTIONS_FEW = 64,
  DOOR_CONNECTIONS_MAX = 256,
  CHANNEL_MAX = 0x7fffffff, /* of the orchestrator; ids above it are the supervisor's */
  FEATURE_DOOR = 1,
  FEATURE_MANY = 2, /* LISTEN says how many connections; DOOR_INPUT_WINDOW */
  ARGS_MAX = 16384,
  ENVS_MAX = 8192,
};

enum frame_type {
  /* orchestrator to supervisor, whole session (channel 0) */
  FRAME_ATTACH = 0x01,
  FRAME_PING = 0x02,
  FRAME_SHUTDOWN = 0x03,
  /* orchestrator to supervisor, one channel */
  FRAME_EXEC = 0x10,
  FRAME_INPUT = 0x11,
  FRAME_INPUT_END = 0x12,
  FRAME_SIGNAL = 0x13,
  FRAME_RESIZE = 0x14,
  FRAME_KILL = 0x15,
  FRAME_CREDIT = 0x16,
  FRAME_RESUME = 0x17,
  FRAME_RELEASE = 0x18,
  FRAME_READ = 0x20,
  FRAME_WRITE = 0x21,
  FRAME_LIST = 0x22,
  FRAME_STAT = 0x23,
  FRAME_PROBE = 0x24,
  FRAME_MKDIR = 0x25,
  FRAME_REMOVE = 0x26,
  /* 0x40 to 0x4f, and 0xc0 to 0xcf the other way: connections to the door, each a channel the
   * supervisor opens (ids from 0x80000000) */
  FRAME_LISTEN = 0x40, /* whole session */
  FRAME_DOOR_BYTES = 0x42,
  FRAME_DOOR_CREDIT = 0x43,
  FRAME_DOOR_END = 0x44,
  FRAME_DOOR_CLOSE = 0x45,

  /* supervisor to orchestrator */
  FRAME_HELLO = 0x81,
  FRAME_PONG = 0x82,
  FRAME_STARTED = 0x90,
  FRAME_DATA = 0x91,
  FRAME_INPUT_CREDIT = 0x92,
  FRAME_EXITED = 0x93,
  FRAME_RELEASED = 0x94,
  FRAME_ERROR = 0x95,
  FRAME_FILE = 0xa0,
  FRAME_RESULT = 0xa1,
  FRAME_LISTENING = 0xc0, /* whole session */
  FRAME_DOOR_OPENED = 0xc1,
  FRAME_DOOR_GIVES = 0xc2,
  FRAME_DOOR_TAKEN = 0xc3,
  FRAME_DOOR_ENDED = 0xc4,
  FRAME_DOOR_CLOSED = 0xc5,
};

enum stream_id { STREAM_NONE = 0, STREAM_STDOUT = 1, STREAM_STDERR = 2 };

enum exec_flag {
  EXEC_STDIN = 1,
  EXEC_PTY = 2,
  EXEC_KEEP_DESCENDANTS = 4,
  EXEC_FLAGS_ALL = 7,
};

enum exited_flag {
  EXITED_TIMED_OUT = 1,
  EXITED_OUTPUT_LIMIT = 2,
  EXITED_KILLED = 4,
  EXITED_LOST = 8, /* the warden of the command was killed from inside */
  EXITED_OUT_OF_MEMORY = 16,
};

enum write_flag { WRITE_PARENTS = 1, WRITE_EXCLUSIVE = 2, WRITE_FLAGS_ALL = 3 };

#define WRITE_MODE_KEEP 0xffffffffu /* the mode the file has, or 0644 */

enum error_code {
  ERROR_EXEC = 1,    /* the program could not be executed */
  ERROR_CWD = 2,     /* the working directory could not be entered */
  ERROR_SPAWN = 3,   /* no process, pipe or terminal could be made */
  ERROR_FILE = 4,    /* a file operation failed */
  ERROR_OUTSIDE = 5, /* the path lies under none of the roots, or climbs with ".." */
  ERROR_SYMLINK = 6, /* a component of the path is a symbolic link */
  ERROR_NOT_REGULAR = 7,
};

enum exit_status {
  STATUS_OK = 0,
  STATUS_USAGE = 64,
  STATUS_ORPHANED = 69,
  STATUS_VIOLATION = 70,
  STATUS_SYSTEM = 71,
};

static inline void put_u16(uint8_t *at, uint16_t v) {
  at[0] = (uint8_t)(v >> 8);
  at[1] = (uint8_t)v;
}
static inline void put_u32(uint8_t *at, uint32_t v) {
  put_u16(at, (uint16_t)(v >> 16));
  put_u16(at + 2, (uint16_t)v);
}
static inline void put_u64(uint8_t *at, uint64_t v) {
  put_u32(at, (uint32_t)(v >> 32));
  put_u32(at + 4, (uint32_t)v);
}
static inline uint16_t get_u16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t get_u32(const uint8_t *at) {
  return (uint32_t)get_u16(at) << 16 | get_u16(at + 2);
}
static inline uint64_t get_u64(const uint8_t *at) {
  return (uint64_t)get_u32(at) << 32 | get_u32(at + 4);
}

#endif
