/** Sizes and durations as people write them in YAML and on the command line. */
import { z } from 'zod'

const SIZE_UNITS = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Longest wait of a timer, in `ms`: one beyond it fires at once. */
const DURATION_MAX = 2 ** 31 - 1

/** Wall-clock limit of each timeout class, in `ms`. */
export const TIMEOUT_CLASSES = { fast: 60_000, medium: 600_000, long: 3_600_000 } as const

/** `512`, `64MB`, `2GiB` → bytes. */
export const ByteSize = quantity({
  units: { '': 1, ...SIZE_UNITS },
  max: Number.MAX_SAFE_INTEGER,
  names: {},
  expected: 'a size such as 64MB, 2GB or 512KiB',
})

/** `500ms`, `90s`, `10m`, `2h` → `ms`, at most 24 days. A bare number has no unit and is refused. */
export const Duration = quantity({
  units: DURATION_UNITS,
  max: DURATION_MAX,
  names: {},
  expected: 'a duration such as 90s, 10m or 2h, at most 596h',
})

/** `fast | medium | long` or a duration → `ms`. */
export const Timeout = quantity({
  units: DURATION_UNITS,
  max: DURATION_MAX,
  names: TIMEOUT_CLASSES,
  expected: 'fast, medium, long or a duration such as 90s, 10m or 2h, at most 596h',
})

interface Quantity {
  units: Readonly<Record<string, number>>
  max: number
  /** Words that stand for a value. */
  names: Readonly<Record<string, number>>
  expected: string
}

function quantity({ units, max, names, expected }: Quantity) {
  const input = z.union([z.string(), z.number()], { error: `Expected ${expected}` })
  return input.transform((written, context): number => {
    const text = String(written).trim()
    if (Object.hasOwn(names, text)) return names[text] ?? z.NEVER
    const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text) ?? []
    const factor = digits !== '' && Object.hasOwn(units, unit) ? units[unit] : undefined
    const value = exact(Number(digits) * (factor ?? Number.NaN))
    if (value > 0 && value <= max) return value
    context.addIssue({ code: 'custom', message: `Expected ${expected}, got "${shortened(text)}"` })
    return z.NEVER
  })
}

/** The whole number that `1.1GB` means although 1.1 has no exact double; NaN for a part of one. */
function exact(value: number): number {
  const whole = Math.round(value)
  return Math.abs(value - whole) <= 1e-3 ? whole : Number.NaN
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}
