/** Signals by name, as Linux numbers them: the orchestrator may run on a system that differs. */
const NAMES = [
  'SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2',
  'SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG',
  'SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS',
].flatMap((line) => line.split(' '))

/** `SIGKILL` for 9; real-time signals have no name of their own. */
export function signalName(number: number): string {
  return NAMES[number - 1] ?? `SIG${number}`
}

/** 9 for `SIGKILL`; `undefined` for what is no signal. */
export function signalNumber(name: string): number | undefined {
  const index = NAMES.indexOf(name)
  return index === -1 ? undefined : index + 1
}
