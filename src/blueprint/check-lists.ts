/** Rules about the lists of a stage: nothing twice, and hosts that are hosts. */
import type { Blueprint } from '../schema/index.ts'
import type { Problem, RuleCode } from './rules.ts'

const LISTS = [
  ['inputs', 'duplicate_input', 'Input'],
  ['outputs', 'duplicate_output', 'Output'],
  ['network', 'duplicate_network_host', 'Host'],
] as const satisfies readonly (readonly [string, RuleCode, string])[]

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const HOST = new RegExp(
  `^(?:(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*|\\[[0-9A-Fa-f:.]+\\])(?::(\\d{1,5}))?$`,
)

export function checkLists({ stages }: Blueprint): Problem[] {
  return stages.flatMap((stage, at) => [
    ...LISTS.flatMap(([key, code, noun]) =>
      repeated(stage[key] ?? []).map(({ name, index }): Problem => ({
        code,
        message: `${noun} "${name}" of stage "${stage.id}" is named twice`,
        path: ['stages', at, key, index],
      })),
    ),
    ...(stage.network ?? []).flatMap((host, index): Problem[] => {
      if (isHost(host)) return []
      const message = `Network entry "${host}" is no HOST, *.HOST or HOST:PORT`
      return [{ code: 'bad_network_host', message, path: ['stages', at, 'network', index] }]
    }),
  ])
}

function isHost(text: string): boolean {
  const match = text.length > 255 + 6 ? null : HOST.exec(text)
  if (match === null) return false
  const port = match[1]
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)
}

function repeated(names: readonly string[]): { name: string; index: number }[] {
  return names.flatMap((name, index) => (names.indexOf(name) < index ? [{ name, index }] : []))
}
