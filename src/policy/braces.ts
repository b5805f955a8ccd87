/** Bounds what one pattern can become. */
const ALTERNATIVES_MAX = 64

/** `a/{b,c}` → `a/b`, `a/c`. A text result says what is wrong. */
export function expandBraces(pattern: string): readonly string[] | string {
  let open = [pattern]
  const done: string[] = []
  while (open.length > 0) {
    if (open.length + done.length > ALTERNATIVES_MAX)
      return `its braces make more than ${ALTERNATIVES_MAX} patterns`
    const next: string[] = []
    for (const text of open) {
      const expanded = expandFirst(text)
      if (typeof expanded === 'string') return expanded
      if (expanded === undefined) done.push(text)
      else next.push(...expanded)
    }
    open = next
  }
  return done
}

/** Expands the first innermost pair of braces; `undefined` when there is none. */
function expandFirst(text: string): string[] | string | undefined {
  const close = text.indexOf('}')
  const start = close === -1 ? text.indexOf('{') : text.lastIndexOf('{', close)
  if (close === -1) return start === -1 ? undefined : '"{" is not closed'
  if (start === -1) return '"}" closes nothing'
  const inner = text.slice(start + 1, close)
  if (inner.includes('..')) return 'ranges such as {1..3} are not known'
  if (!inner.includes(',')) return '"{…}" needs at least two alternatives'
  return inner.split(',').map((part) => text.slice(0, start) + part + text.slice(close + 1))
}
