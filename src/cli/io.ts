/** All a command may touch of the outside. */
export interface Io {
  cwd: string
  /** A line of result on stdout. */
  out(line: string): void
  /** Bytes of result on stdout; resolves when the reader has room again, or is gone. */
  write(bytes: Uint8Array): Promise<void>
  /** A line for a person on stderr. */
  err(line: string): void
  writeError(bytes: Uint8Array): Promise<void>
  stdoutIsTerminal: boolean
  stderrIsTerminal: boolean
  colour: boolean
  /** Aborts on the first Ctrl-C or SIGTERM, and when nobody reads stdout any more. */
  signal: AbortSignal
  /** Whether `signal` aborted because the reader of stdout went away. */
  readerIsGone(): boolean
  /** Lines of stdin, until its end or until `signal` aborts. */
  lines(): AsyncIterable<string>
  /** Throws `bad_request` when it cannot be read or is larger. */
  readFile(path: string, maxBytes: number): Promise<Uint8Array>
  /** What a person made of `text` in an editor. Throws `bad_request` when nothing was changed. */
  edit(editor: string | undefined, given: { name: string; text: string }): Promise<string>
  /** Throws `bad_request` when it cannot be written. */
  writeFile(path: string, content: Uint8Array): Promise<void>
}
