/** All a command may touch of the outside. */
export interface Io {
  cwd: string
  /** A line of result on stdout. */
  out(line: string): void
  /** Bytes of result on stdout; resolves when the reader has room again. */
  write(bytes: Uint8Array): Promise<void>
  /** A line for a person on stderr. */
  err(line: string): void
  writeError(bytes: Uint8Array): Promise<void>
  stdoutIsTerminal: boolean
  stderrIsTerminal: boolean
  colour: boolean
  /** Aborts on the first Ctrl-C or SIGTERM. */
  signal: AbortSignal
  readFile(path: string): Promise<Uint8Array>
  writeFile(path: string, content: Uint8Array): Promise<void>
}
