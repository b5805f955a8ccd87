/** Moves new lines to the indentation the file has, where the patch has all of it wrong alike. */

import { trimBlanks } from './byte-text.ts'

export interface Reindentation {
  remove: string
  add: string
}

/**
 * What turns the indentation of `oldLines` into that of the file's lines, if one rule does for all
 * of them; `undefined` when there is no such rule.
 */
export function reindentation(
  fileLines: readonly string[],
  oldLines: readonly string[],
): Reindentation | undefined {
  let rule: Reindentation | undefined
  for (const [index, oldLine] of oldLines.entries()) {
    if (trimBlanks(oldLine) === '') continue
    const here = ruleOf(indentOf(fileLines[index] ?? ''), indentOf(oldLine))
    if (rule !== undefined && (rule.add !== here.add || rule.remove !== here.remove))
      return undefined
    rule = here
  }
  return rule ?? { remove: '', add: '' }
}

export function reindent(line: string, { remove, add }: Reindentation): string {
  if (trimBlanks(line) === '') return line
  return add + (line.startsWith(remove) ? line.slice(remove.length) : line)
}

function ruleOf(fileIndent: string, oldIndent: string): Reindentation {
  if (fileIndent.endsWith(oldIndent))
    return { remove: '', add: fileIndent.slice(0, fileIndent.length - oldIndent.length) }
  if (oldIndent.endsWith(fileIndent))
    return { remove: oldIndent.slice(0, oldIndent.length - fileIndent.length), add: '' }
  // Tabs against spaces.
  return { remove: oldIndent, add: fileIndent }
}

function indentOf(line: string): string {
  return /^[ \t]*/.exec(line)?.[0] ?? ''
}
