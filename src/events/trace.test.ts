import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  type ContextManager,
  context,
  propagation,
  ROOT_CONTEXT,
  SpanStatusCode,
  type TextMapPropagator,
  trace,
  TraceFlags,
} from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, describe, expect, test } from 'vitest'
import { OpenExecError } from '../schema/index.ts'
import { traced, tracedLater, traceOver } from './trace.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'

const exporter = new InMemorySpanExporter()

/** What an SDK brings: where spans go, what is going on in which task, and how headers are read. */
function register(): void {
  exporter.reset()
  const spanProcessors = [new SimpleSpanProcessor(exporter)]
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }))
  context.setGlobalContextManager(contextManager())
  propagation.setGlobalPropagator(w3c)
}

function contextManager(): ContextManager {
  const storage = new AsyncLocalStorage<Context>()
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, work, self, ...args) => storage.run(active, () => work.call(self, ...args)),
    bind: (active, target) =>
      // A bound function has the type of what was bound.
      (typeof target === 'function'
        ? (...args: unknown[]) => storage.run(active, () => Reflect.apply(target, undefined, args))
        : target) as typeof target,
    enable: () => manager,
    disable: () => manager,
  }
  return manager
}

const w3c: TextMapPropagator = {
  inject: () => {},
  fields: () => ['traceparent'],
  extract(parent, carrier, getter) {
    const text = String(getter.get(carrier, 'traceparent'))
    const [, traceId, spanId] = /^00-(\w{32})-(\w{16})-01$/.exec(text) ?? []
    if (traceId === undefined || spanId === undefined) return parent
    const from = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true }
    return trace.setSpanContext(parent, from)
  },
}

// For one process there is one SDK: only the first call of `register()` sets it.
afterAll(() => {
  trace.disable()
  context.disable()
  propagation.disable()
})

describe('traced()', () => {
  test('traced() only does the work where nobody registered an SDK', async () => {
    const seen: number[] = []
    const work = async (add: (facts: { a: number }) => void) => {
      add({ a: 1 })
      return seen.push(1)
    }
    expect(await traced({ name: 'run', facts: {}, partOf: 'nothing' }, work)).toBe(1)
    traceOver('egress', {}, 5)
    expect(tracedLater(() => 7)()).toBe(7)
  })

  test('traced() nests spans, hands the ids of run and request on, and keeps other facts', async () => {
    register()
    const facts = { 'openexec.run.id': 'run_1', 'openexec.blueprint': 'check', left: undefined }
    let later = () => {}
    await traced({ name: 'run', facts, partOf: 'nothing' }, async () => {
      await traced({ name: 'stage', facts: {}, partOf: 'here' }, async (add) => {
        add({ 'openexec.verdict': 'succeeded' })
        later = tracedLater(() => traceOver('egress', { 'server.port': 443 }, 12))
      })
    })
    later()
    const [stage, run, egress] = exporter.getFinishedSpans()
    expect(run?.attributes).toEqual({ 'openexec.run.id': 'run_1', 'openexec.blueprint': 'check' })
    expect(stage).toMatchObject({
      name: 'stage',
      attributes: { 'openexec.run.id': 'run_1', 'openexec.verdict': 'succeeded' },
      parentSpanContext: { spanId: run?.spanContext().spanId },
    })
    expect(egress).toMatchObject({
      attributes: { 'openexec.run.id': 'run_1', 'server.port': 443 },
      parentSpanContext: { spanId: stage?.spanContext().spanId },
    })
    expect(egress?.duration).toEqual([0, 12_000_000])
  })

  test('traced() goes on with the trace that the headers of a request name', async () => {
    register()
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01` }
    await traced({ name: 'GET /', facts: {}, partOf: { headers } }, async () => {})
    const [span] = exporter.getFinishedSpans()
    expect(span?.spanContext().traceId).toBe(TRACE)
    expect(span?.parentSpanContext?.spanId).toBe(PARENT)
  })

  test('traced() marks what fails by code, and tells nothing of what the error says', async () => {
    register()
    const secret = 'token hunter2 in the message'
    const fail = traced({ name: 'sandbox start', facts: {}, partOf: 'nothing' }, async () => {
      throw new OpenExecError('sandbox_failed', secret, { hint: secret })
    })
    await expect(fail).rejects.toThrow(secret)
    const [span] = exporter.getFinishedSpans()
    expect(span?.attributes).toEqual({ 'error.type': 'sandbox_failed' })
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR })
    expect(JSON.stringify([span?.events, span?.attributes, span?.status])).not.toContain('hunter2')
  })
})
