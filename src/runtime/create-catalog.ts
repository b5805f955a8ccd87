import {
  boundsOf,
  type Catalog as Blueprints,
  listBlueprints,
  readBlueprint,
  renderBlueprint,
} from '../blueprint/index.ts'
import { defaultPolicy, explainPolicy, readPolicy, renderExplanation } from '../policy/index.ts'
import type { BlueprintReport } from '../schema/index.ts'
import type { Catalog } from './catalog.ts'
import { type DoctorDeps, examine } from './doctor.ts'

export interface CatalogDeps extends DoctorDeps {
  blueprints: Blueprints
}

export function createCatalog(deps: CatalogDeps): Catalog {
  return {
    blueprints: () =>
      listBlueprints(deps.blueprints).map(({ plan }) => ({
        name: plan.name,
        description: plan.description,
        stages: plan.stages.map(({ id }) => id),
        agent: plan.stages.some(({ type }) => type === 'agent'),
      })),
    checkBlueprint: (document) => {
      const { plan } = readBlueprint(document, deps.blueprints.registry)
      return { name: plan.name, graph: renderBlueprint(plan), bounds: numbersOf(plan) }
    },
    checkPolicy: (document) => {
      const policy = readPolicy(document)
      return { rules: policy.rules.length }
    },
    explainPolicy: (document, mode) => {
      const policy = document === undefined ? defaultPolicy() : readPolicy(document)
      // What the engine here can do is the doctor's word; a policy is explained as it is written.
      const options = { runtimes: ['runc', 'runsc'], network: undefined, omitsDeniedPaths: true }
      const explanation = explainPolicy(
        mode === undefined ? policy : { ...policy, sandbox: mode },
        mode ?? policy.sandbox,
        options,
      )
      return {
        mode: explanation.mode,
        hash: explanation.policyHash,
        confinement: explanation.confinementDigest,
        capabilities: explanation.capabilities.map((line) => ({
          capability: line.capability,
          decision: line.decision,
          level: line.level,
          matched: line.rules,
          reason: line.reason,
        })),
        text: renderExplanation(explanation),
      }
    },
    doctor: (options) => examine(deps, options),
  }
}

function numbersOf(plan: Parameters<typeof boundsOf>[0]): BlueprintReport['bounds'] {
  const bounds = boundsOf(plan)
  return {
    stage_executions: bounds.stageExecutions.value,
    agent_entries: bounds.agentEntries,
    turns: bounds.turns.value,
    tokens: bounds.tokens.value,
    tool_calls: bounds.toolCalls.value,
    cost_usd: bounds.costUsd.value,
    wall_ms: bounds.wallMs.value,
    output_bytes: bounds.outputBytes.value,
  }
}
