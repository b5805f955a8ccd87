/**
 * Spans for whoever registered an OpenTelemetry SDK in this process, and nothing at all otherwise.
 * What is written on them is ids, names, counts and codes: never a header, an argument, a path or
 * the text of an error, which could hold what nobody outside may read.
 */
import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { OpenExecError } from '../schema/index.ts'

/** Those that are undefined are left out. */
export type SpanFacts = Readonly<Record<string, string | number | undefined>>

export interface SpanWish {
  name: string
  facts: SpanFacts
  /** What it is part of: what goes on here, nothing, or what the headers of a request name. */
  partOf: 'here' | 'nothing' | { headers: Readonly<Record<string, string>> }
}

const tracer = trace.getTracer('openexec')
/** Ids that every span within has too. */
const INHERITED = createContextKey('openexec ids')
const ID = /^openexec\.(?:run|request)\.id$/

/** `work` within a span; `add` writes more on it. What `work` throws marks it as failed. */
export async function traced<T>(
  { name, facts, partOf }: SpanWish,
  work: (add: (facts: SpanFacts) => void) => Promise<T>,
): Promise<T> {
  const parent = parentOf(partOf)
  const attributes = { ...inherited(parent), ...present(facts) }
  const span = tracer.startSpan(name, { attributes }, parent)
  const ids = Object.fromEntries(Object.entries(attributes).filter(([key]) => ID.test(key)))
  const within = trace.setSpan(parent, span).setValue(INHERITED, ids)
  try {
    const add = (more: SpanFacts) => void span.setAttributes(present(more))
    return await context.with(within, () => work(add))
  } catch (error) {
    fail(span, error)
    throw error
  } finally {
    span.end()
  }
}

/** Something that is over already, and took so long in `ms`. */
export function traceOver(name: string, facts: SpanFacts, durationMs: number): void {
  const end = Date.now()
  const parent = context.active()
  const attributes = { ...inherited(parent), ...present(facts) }
  tracer.startSpan(name, { attributes, startTime: end - durationMs }, parent).end(end)
}

/** `task` as part of what goes on now, whenever it is called. */
export function tracedLater<T extends (...args: never[]) => unknown>(task: T): T {
  return context.bind(context.active(), task)
}

function parentOf(partOf: SpanWish['partOf']): Context {
  if (partOf === 'here') return context.active()
  if (partOf === 'nothing') return ROOT_CONTEXT
  return propagation.extract(ROOT_CONTEXT, partOf.headers)
}

function inherited(parent: Context): Attributes {
  // This file alone writes under this key.
  return (parent.getValue(INHERITED) as Attributes | undefined) ?? {}
}

function present(facts: SpanFacts): Attributes {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}

function fail(span: Span, error: unknown): void {
  span.setAttributes({ 'error.type': error instanceof OpenExecError ? error.code : 'internal' })
  span.setStatus({ code: SpanStatusCode.ERROR })
}
