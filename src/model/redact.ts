/**
 * Secrets in text that goes to a model, replaced and not merely marked. Each becomes
 * `«secret:rule:hash8»`: equal secrets stay equal, and nobody can read them.
 */
import { createHash } from 'node:crypto'

export interface Redaction {
  /** Line within the text, from 1. */
  line: number
  rule: string
}

/** Every quantifier is bounded or cannot be matched in two ways, so that no text takes long. */
const RULES: readonly { rule: string; pattern: RegExp; group: number }[] = [
  { rule: 'aws_key', pattern: /\b((?:AKIA|ASIA)[0-9A-Z]{16})\b/g, group: 1 },
  {
    rule: 'github_token',
    pattern: /\b(gh[opsur]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255})/g,
    group: 1,
  },
  { rule: 'gitlab_token', pattern: /\b(glpat-[\w-]{20,64})/g, group: 1 },
  { rule: 'slack_token', pattern: /\b(xox[abeoprs]-[A-Za-z0-9-]{10,200})/g, group: 1 },
  { rule: 'openai_key', pattern: /\b(sk-(?:proj-|ant-)?[\w-]{20,200})/g, group: 1 },
  { rule: 'google_key', pattern: /\b(AIza[\w-]{35})/g, group: 1 },
  { rule: 'npm_token', pattern: /\b(npm_[A-Za-z0-9]{36})\b/g, group: 1 },
  { rule: 'jwt', pattern: /\b(eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000})/g, group: 1 },
  { rule: 'url_password', pattern: /:\/\/[^\s:/@]{1,100}:([^\s:/@]{3,200})@/g, group: 1 },
  {
    rule: 'assigned_secret',
    pattern:
      /(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)["']?\s{0,3}[:=]\s{0,3}["']([^"'\s]{8,200})["']/gi,
    group: 1,
  },
  {
    rule: 'env_secret',
    pattern:
      /^(?:export )?[A-Z0-9_]{0,60}(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)[A-Z0-9_]{0,20}=([^\s"'$]{8,200})$/g,
    group: 1,
  },
]

const KEY_BEGIN = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----/
const KEY_END = /-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----/
/** Characters of a line that are searched; what lies behind is left out of packs anyway. */
const LINE_MAX = 4000

/** The lines without secrets, as many as before. */
export function redactLines(lines: readonly string[]): {
  lines: string[]
  redactions: Redaction[]
} {
  const redactions: Redaction[] = []
  let inKey = false
  const clean = lines.map((line, index) => {
    const begins = KEY_BEGIN.test(line)
    const wasInKey = inKey
    inKey = (inKey || begins) && !KEY_END.test(line)
    if (begins) redactions.push({ line: index + 1, rule: 'private_key' })
    if (begins || wasInKey) return marker('private_key', line)
    return redactLine(line.slice(0, LINE_MAX), (rule) => redactions.push({ line: index + 1, rule }))
  })
  return { lines: clean, redactions }
}

/** Files that are secrets as a whole; they are not read at all. */
export function isSecretFile(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase()
  if (/^\.env(\..{1,40})?$/.test(name)) return !/\.(example|sample|template|dist)$/.test(name)
  return (
    /\.(pem|key|p12|pfx|jks|keystore|kdbx)$/.test(name) ||
    /^(id_rsa|id_dsa|id_ecdsa|id_ed25519|\.netrc|\.npmrc|\.pypirc|\.htpasswd|credentials)$/.test(
      name,
    )
  )
}

function redactLine(line: string, found: (rule: string) => void): string {
  let text = line
  for (const { rule, pattern, group } of RULES) {
    text = text.replace(pattern, (whole: string, ...groups: string[]) => {
      const secret = groups[group - 1] ?? whole
      if (secret.includes('«secret:')) return whole
      found(rule)
      return whole.replace(secret, () => marker(rule, secret))
    })
  }
  return text
}

function marker(rule: string, secret: string): string {
  return `«secret:${rule}:${createHash('sha256').update(secret).digest('hex').slice(0, 8)}»`
}
