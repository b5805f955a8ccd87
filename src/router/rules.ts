/**
 * What a request is about, by rules a person can read. Each looks at one thing and names what it
 * saw. They do not argue: the kind with the most points wins, and a draw is no answer.
 */

export type IntentKind = 'question' | 'bugfix' | 'change' | 'ci_failure' | 'check'

export interface Clue {
  kind: IntentKind
  points: number
  /** For a person: what was seen. */
  reason: string
}

interface Rule {
  kind: IntentKind
  points: number
  reason: string
  /** Tried on the lowered text; every quantifier is bounded. */
  pattern: RegExp
}

const RULES: readonly Rule[] = [
  {
    kind: 'question',
    points: 3,
    reason: 'begins like a question',
    pattern:
      /^(?:please )?(?:what|where|why|how|which|who|when|is|are|does|do|can you explain|could you explain|explain|describe|tell me|show me)\b/,
  },
  { kind: 'question', points: 2, reason: 'ends with a question mark', pattern: /\?\s{0,20}$/ },
  {
    kind: 'bugfix',
    points: 3,
    reason: 'begins with a verb of repair',
    pattern: /^(?:please )?(?:fix|repair|correct|debug|resolve|solve)\b/,
  },
  {
    kind: 'bugfix',
    points: 2,
    reason: 'speaks of a fault',
    pattern:
      /\b(?:bug|crash(?:es|ed)?|broken|wrong result|off by one|regression|exception|stack trace|throws|fails|failing|null pointer|segfault|leak)\b/,
  },
  {
    kind: 'ci_failure',
    points: 4,
    reason: 'speaks of failing checks',
    pattern:
      /\b(?:ci|pipeline|build|workflow|job)\b.{0,40}\b(?:fail(?:s|ed|ing|ure)?|red|broken|breaks)\b|\b(?:failing|failed|broken|red)\b.{0,20}\b(?:ci|pipeline|build|workflow)\b/,
  },
  {
    kind: 'change',
    points: 3,
    reason: 'begins with a verb of change',
    pattern:
      /^(?:please )?(?:add|implement|create|make|write|change|update|remove|delete|rename|refactor|move|replace|extend|support|upgrade|migrate|extract|split|convert)\b/,
  },
  {
    kind: 'check',
    points: 4,
    reason: 'asks to run the checks and nothing else',
    pattern:
      /^(?:please )?(?:run|execute|check|verify)\s(?:all\s|the\s|our\s){0,2}(?:unit |lint )?(?:tests?|linters?|lint|checks|test suite)\s{0,5}[.!]?$/,
  },
]

/** Everything the rules see, in their order. */
export function cluesOf(text: string): Clue[] {
  const lowered = text.trim().toLowerCase()
  return RULES.filter(({ pattern }) => pattern.test(lowered)).map(({ kind, points, reason }) => ({
    kind,
    points,
    reason,
  }))
}
