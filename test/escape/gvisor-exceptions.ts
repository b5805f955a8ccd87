/** What is different where a sandbox has a kernel of its own. */

/** Works, and reaches nothing but what the sandbox itself has: why it does no harm, or where it is said. */
export const INSIDE_GVISOR_ONLY: Readonly<Record<string, string>> = {
  'run before everything else': 'the priority is one among its own processes',
  'find devices of the host': 'they are its own',
  'write to /dev/fuse': 'it is its own',
  'read /proc/cmdline': 'the command line is that of its own kernel',
  'use up the inodes': 'they are not counted; the memory they take is',
  // It does not heed that a process is undumpable: `supervisor_privacy` in the receipt.
  'list what the first process has open': 'said in the receipt',
  'speak through the output of the first process': 'said in the receipt',
  'listen at the input of the first process': 'said in the receipt',
  'read /proc/1/environ': 'said in the receipt',
  'read /proc/1/auxv': 'said in the receipt',
  'read /proc/1/maps': 'said in the receipt',
}

/** The limit ends the sandbox as a whole, because it counts the kernel of the sandbox, too. */
export const ENDS_A_GVISOR_SANDBOX: readonly string[] = [
  'start processes without end',
  'take memory without end',
  'take memory through a file system in memory',
]
