import type { Message, Usage } from '../schema/index.ts'
import { toolSpecs } from '../tools/index.ts'
import type { AgentDeps, AgentRequest, StageEnd } from './agent-stage.ts'

export interface Talk {
  system: string
  messages: readonly Message[]
  usage: Usage
  end: StageEnd
}

/** The whole conversation as NDJSON: what was told first, each message, how it ended. */
export function transcriptOf(
  { model, tools }: AgentDeps,
  { stage, attempt }: AgentRequest,
  { system, messages, usage, end }: Talk,
): Uint8Array {
  const lines = [
    {
      kind: 'opening',
      stage,
      attempt,
      provider: model.provider,
      model: model.model,
      price: model.price,
      toolset: tools.toolset.name,
      tools: toolSpecs(tools),
      system,
    },
    ...messages.map((message) => ({ kind: 'message', ...message })),
    { kind: 'end', verdict: end.verdict, reason: end.reason, detail: end.detail, usage },
  ]
  return Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}
