/** The corpus as a document: the table, and which controls could be shown on which machine. */
import { z } from 'zod'
import { type AttackClass, type Attempt, CONTROLS, WALLS } from './attempt.ts'
import { MOUNT_SOURCES } from './mount-sources.ts'

export const CONTROLS_FILE: URL = new URL('../fixtures/escape-controls.json', import.meta.url)

export const MeasuredControls = z.strictObject({
  machine: z.string(),
  /** What this machine has nothing to attack for → what it says. */
  absent: z.record(z.string(), z.string()),
})
export type MeasuredControls = z.infer<typeof MeasuredControls>

const INTRODUCTION = `# Escape corpus

Attempts to get out of a sandbox, to see more of the host than it should show, or to take more than it was given. \`test/escape/corpus.test.ts\` makes each of them twice on a real engine: where nothing prevents it, and there it must work; and in a sandbox, where it must not. An attempt whose control does not work proves nothing and is not counted. This document is made from the tables in \`test/escape/attempts/\`, and a test keeps it current. \`test/escape/gvisor.test.ts\` makes the attempts in a gVisor sandbox, and names the few that work there on the sandbox itself.
`

export function escapeDocument(corpus: readonly Attempt[], measured: MeasuredControls): string {
  const classes = [...new Set(corpus.map((attempt) => attempt.class))]
  const isProven = ({ what }: Attempt) => measured.absent[what] === undefined
  const counts = classes.map((one): [AttackClass, number, number] => {
    const own = corpus.filter((attempt) => attempt.class === one)
    return [one, own.length, own.filter(isProven).length]
  })
  const sum = (index: 1 | 2) => counts.reduce((total, row) => total + row[index], 0)
  const sources = MOUNT_SOURCES.length
  return [
    INTRODUCTION,
    table(
      ['class', 'attempts', 'control works', 'escaped'],
      [
        ...counts.map(([one, all, proven]) => [one, all, proven, 0]),
        ['mount sources', sources, sources, 0],
        ['**all**', sum(1) + sources, sum(2) + sources, '**0**'],
      ],
    ),
    `Measured on ${measured.machine}. Where the last column of a row below says otherwise, that machine has nothing to attack, not even for a container without any confinement; the sandbox refuses the attempt all the same.\n`,
    '## Controls\n',
    table(['control', 'is'], Object.entries(CONTROLS)),
    '## Attempts\n',
    ...classes.flatMap((one) => [
      `### ${one[0]?.toUpperCase() ?? ''}${one.slice(1)}\n`,
      table(
        ['nobody inside can', 'how', 'stopped by', 'control', 'control works'],
        corpus
          .filter((attempt) => attempt.class === one)
          .map((attempt) => [
            attempt.what,
            code(attempt.script),
            WALLS[attempt.wall],
            attempt.control,
            isProven(attempt) ? 'yes' : `absent: ${measured.absent[attempt.what]}`,
          ]),
      ),
    ]),
    '## Mount sources\n',
    'Refused by the orchestrator before the engine is asked (`test/escape/mount-sources.test.ts`); a plain container gets every one of them.\n',
    ...MOUNT_SOURCES.map(({ what }) => `- ${what}`),
    '',
  ].join('\n')
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line), ''].join('\n')
}

/** What the attempt shares with all others is left out. */
function code(script: string): string {
  const own = script
    .replace(/^\{ ([\s\S]*); \} && echo ESCAPED$/, '$1')
    .replaceAll('/workspace/kit ', 'kit ')
  return `\`${own.replaceAll('|', '\\|').replaceAll('\n', ' ')}\``
}
