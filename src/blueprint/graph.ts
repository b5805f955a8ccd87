/** A plan as text for people: what runs, what it needs and makes, where each outcome leads. */
import { type BlueprintBounds, boundsOf, type Bound } from './bounds.ts'
import type { Plan, PlanStage } from './plan.ts'

/** Several lines, ending without a line break. Safe on a terminal: the checker refuses the rest. */
export function renderBlueprint(plan: Plan): string {
  const width = Math.max(...plan.stages.map(({ id }) => id.length))
  const indent = ' '.repeat(width + 4)
  const stages = plan.stages.flatMap((stage) => [
    `  ${stage.id.padEnd(width)}  ${workOf(stage)}`,
    ...[flowOf(stage), routesOf(stage)].filter((line) => line !== '').map((line) => indent + line),
  ])
  return [
    `${plan.name}: ${oneLine(plan.description)}`,
    '',
    ...stages,
    '',
    ...boundLines(plan),
  ].join('\n')
}

function workOf(stage: PlanStage): string {
  const notes = [
    stage.type === 'agent' ? `agent with ${stage.toolset}` : stage.action,
    stage.type === 'agent'
      ? `up to ${plural(stage.retryLimit, 'entry', 'entries')}`
      : retries(stage.retryLimit),
    `${duration(stage.timeoutMs)} each`,
    ...(stage.sandbox === null ? [] : [stage.sandbox]),
    ...(stage.network === null ? [] : [`network ${stage.network.join(' ') || 'none'}`]),
    ...(stage.approvalRequired ? ['needs approval'] : []),
  ]
  return notes.join(', ')
}

function retries(limit: number): string {
  return limit === 0 ? 'no retry' : `up to ${plural(limit, 'retry', 'retries')}`
}

function flowOf(stage: PlanStage): string {
  const made = stage.produces.succeeded.join(', ')
  const used = stage.inputs.join(', ')
  return [used === '' ? '' : `uses ${used}`, made === '' ? '' : `makes ${made}`]
    .filter((part) => part !== '')
    .join('; ')
}

function routesOf({ routes }: PlanStage): string {
  const shown = [`succeeded → ${routes.succeeded}`]
  if (routes.failed !== 'fail') shown.push(`failed → ${routes.failed}`)
  if (routes.skipped !== routes.succeeded) shown.push(`skipped → ${routes.skipped}`)
  return shown.join('   ')
}

function boundLines(plan: Plan): string[] {
  const bounds: BlueprintBounds = boundsOf(plan)
  const line = (name: string, { structural, value, limit }: Bound, show: (n: number) => string) =>
    `  ${name.padEnd(18)}${show(value)}${structural > limit ? ' (by its limit)' : ''}`
  const plain = (value: number) => value.toLocaleString('en-US')
  const lines = ['At most, in one run:', line('stage executions', bounds.stageExecutions, plain)]
  if (bounds.agentEntries > 0)
    lines.push(
      `  ${'agent entries'.padEnd(18)}${plain(bounds.agentEntries)}`,
      line('turns', bounds.turns, plain),
      line('tokens', bounds.tokens, plain),
      line('tool calls', bounds.toolCalls, plain),
      line('cost', bounds.costUsd, (usd) => `${usd.toFixed(2)} USD`),
    )
  lines.push(
    line('wall clock', bounds.wallMs, duration),
    line('output', bounds.outputBytes, (bytes) => `${plain(Math.ceil(bytes / 1e6))} MB`),
  )
  return lines
}

function duration(ms: number): string {
  const units = [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ] as const
  let left = ms
  const parts = units.flatMap(([unit, size]) => {
    const number = Math.floor(left / size)
    left -= number * size
    return number === 0 ? [] : [`${number}${unit}`]
  })
  return parts.join(' ') || '0ms'
}

function plural(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}

function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ')
}
