import type { ContextItem, ContextPack } from '../schema/index.ts'

/** A pack as text for a model; the same pack gives the same bytes. */
export function renderContextPack(pack: ContextPack): string {
  const head = `Parts of the repository that seem to matter (${pack.items.length}), chosen by search; look further with the tools.`
  const omitted = pack.omitted.slice(0, 20).map(({ path, reason }) => `${path} (${reason})`)
  return [
    head,
    ...pack.items.map(renderItem),
    ...(omitted.length === 0 ? [] : [`Left out: ${omitted.join(', ')}`]),
  ].join('\n\n')
}

function renderItem({ path, kind, start, end, reasons, text }: ContextItem): string {
  const why = reasons.length === 0 ? '' : `; ${reasons.join('; ')}`
  return `--- ${path}, lines ${start}-${end} (${kind}${why})\n${text}\n--- end of ${path}`
}
