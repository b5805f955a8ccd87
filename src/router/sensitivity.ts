/** How careful a request must be handled: by what it holds and names, not by its words. */
import { isSecretFile, redactLines } from '../model/index.ts'

export interface Sensitivity {
  level: 'low' | 'medium' | 'high'
  reasons: string[]
}

const PERSONAL = [
  { what: 'an e-mail address', pattern: /\b[\w.+-]{1,64}@[\w-]{1,63}\.[a-z]{2,20}\b/i },
  { what: 'a card number', pattern: /\b(?:\d{4}[ -]){3}\d{4}\b/ },
  { what: 'a social security number', pattern: /\b\d{3}-\d{2}-\d{4}\b/ },
]

export function sensitivityOf(text: string, paths: readonly string[]): Sensitivity {
  const { redactions } = redactLines(text.split('\n'))
  const secrets = [...new Set(redactions.map(({ rule }) => `the text holds a secret (${rule})`))]
  const files = paths.filter(isSecretFile).map((path) => `"${path}" holds secrets by its name`)
  const high = [...secrets, ...files].sort()
  if (high.length > 0) return { level: 'high', reasons: high }
  const personal = PERSONAL.filter(({ pattern }) => pattern.test(text))
  if (personal.length === 0) return { level: 'low', reasons: [] }
  return { level: 'medium', reasons: personal.map(({ what }) => `the text holds ${what}`) }
}
