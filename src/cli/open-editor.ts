import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OpenExecError } from '../schema/index.ts'

/**
 * Shows `text` in the person's editor and gives back what was saved. Throws `bad_request` where there
 * is no editor or it fails, and when nothing was changed.
 */
export async function openEditor(
  editor: string | undefined,
  { name, text }: { name: string; text: string },
): Promise<string> {
  const [program, ...args] = (editor ?? '').split(/\s+/).filter((word) => word !== '')
  if (program === undefined)
    throw new OpenExecError('bad_request', 'Cannot open an editor: none is set', {
      hint: 'Set EDITOR, or give the change with --edit FILE or --edit -',
    })
  const directory = await mkdtemp(join(tmpdir(), 'openexec-edit-'))
  const file = join(directory, name)
  try {
    await writeFile(file, text, { mode: 0o600 })
    await runEditor(program, [...args, file])
    const saved = await readFile(file, 'utf8')
    if (saved !== text) return saved
    throw new OpenExecError('bad_request', 'Decided nothing: nothing was changed in the editor', {
      hint: 'Approve without --edit what is asked as it is',
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function runEditor(program: string, args: readonly string[]): Promise<void> {
  const failed = (why: string, cause?: unknown) =>
    new OpenExecError('bad_request', `Cannot use editor "${program}": ${why}`, { cause })
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit' })
    child.once('error', (error) => reject(failed('it cannot be started', error)))
    child.once('close', (code) => {
      if (code === 0) resolve()
      else reject(failed(`it ended with ${code ?? 'a signal'}`))
    })
  })
}
