/** Rules about single stages: what they are called, what they name, what they say. */
import type { Blueprint, Stage } from '../schema/index.ts'
import { suggestion } from './nearest.ts'
import { AGENT_OUTPUTS, type BlueprintRegistry } from './registry.ts'
import type { Problem } from './rules.ts'

const RESERVED_IDS = new Set(['done', 'fail', 'paused'])
const UNPRINTABLE = /[^\P{Cc}\t\n]|\p{Bidi_Control}/u

export function checkNames(blueprint: Blueprint, registry: BlueprintRegistry): Problem[] {
  const { defaults, description, stages } = blueprint
  return [
    ...unprintable(description, ['description']),
    ...unknownToolset(defaults?.toolset, ['defaults', 'toolset'], registry),
    ...stages.flatMap((stage, index) => [
      ...idProblems(stages, index),
      ...(stage.type === 'agent'
        ? agentProblems(stage, ['stages', index], registry)
        : actionProblems(stage, ['stages', index], registry)),
    ]),
  ]
}

type Path = readonly PropertyKey[]

function idProblems(stages: readonly Stage[], index: number): Problem[] {
  const id = stages[index]?.id ?? ''
  const path = ['stages', index, 'id']
  if (RESERVED_IDS.has(id))
    return [{ code: 'reserved_stage_id', message: `Stage id "${id}" is reserved`, path }]
  const first = stages.findIndex((stage) => stage.id === id)
  if (first === index) return []
  const message = `Stage id "${id}" is taken by stages[${first}]`
  return [{ code: 'duplicate_stage_id', message, path }]
}

function agentProblems(
  stage: Extract<Stage, { type: 'agent' }>,
  path: Path,
  registry: BlueprintRegistry,
): Problem[] {
  const problems = [
    ...unknownToolset(stage.toolset, [...path, 'toolset'], registry),
    ...unprintable(stage.goal, [...path, 'goal']),
    ...foreign(stage.outputs, AGENT_OUTPUTS).map(({ name, index }): Problem => ({
      code: 'output_not_produced_by_agent',
      message: `Stage "${stage.id}" cannot produce "${name}": agents produce ${AGENT_OUTPUTS.join(', ')}`,
      path: [...path, 'outputs', index],
    })),
  ]
  if (stage.goal.trim() === '')
    problems.push({
      code: 'blank_goal',
      message: `Goal of stage "${stage.id}" is blank`,
      path: [...path, 'goal'],
    })
  return problems
}

function actionProblems(
  stage: Extract<Stage, { type: 'deterministic' }>,
  path: Path,
  registry: BlueprintRegistry,
): Problem[] {
  const facts = registry.actions.get(stage.action)
  if (facts === undefined) {
    const hint = suggestion(stage.action, registry.actions.keys())
    const message = `Action "${stage.action}" does not exist${hint}`
    return [{ code: 'unknown_action', message, path: [...path, 'action'] }]
  }
  const inputs = facts.inputs.includes('*') ? [] : foreign(stage.inputs, facts.inputs)
  return [
    ...withProblems(stage, path, registry),
    ...inputs.map(({ name, index }): Problem => ({
      code: 'input_not_consumed',
      message: `Action "${stage.action}" does not consume "${name}"${suggestion(name, facts.inputs)}`,
      path: [...path, 'inputs', index],
    })),
    ...foreign(stage.outputs, facts.outputs).map(({ name, index }): Problem => ({
      code: 'output_not_produced_by_action',
      message: `Action "${stage.action}" does not produce "${name}"${suggestion(name, facts.outputs)}`,
      path: [...path, 'outputs', index],
    })),
  ]
}

function withProblems(
  stage: Extract<Stage, { type: 'deterministic' }>,
  path: Path,
  registry: BlueprintRegistry,
): Problem[] {
  const code = 'bad_with'
  const schema = registry.actions.get(stage.action)?.withSchema
  if (schema === undefined) {
    if (stage.with === undefined) return []
    const message = `Action "${stage.action}" takes no "with"`
    return [{ code, message, path: [...path, 'with'] }]
  }
  const parsed = schema.safeParse(stage.with ?? {})
  if (parsed.success) return []
  return parsed.error.issues.flatMap((issue): Problem[] => {
    const at = [...path, 'with', ...issue.path]
    if (issue.code !== 'unrecognized_keys') {
      const name = ['with', ...issue.path].join('.')
      const words = issue.message.replace(/^Invalid input: e/, 'E')
      return [{ code, message: `Action "${stage.action}": ${name}: ${words}`, path: at }]
    }
    return issue.keys.map((key) => ({
      code,
      message: `Action "${stage.action}" takes no "${key}" in "with"`,
      path: [...at, key],
    }))
  })
}

function unknownToolset(
  name: string | undefined,
  path: Path,
  registry: BlueprintRegistry,
): Problem[] {
  if (name === undefined || registry.toolsets.has(name)) return []
  const message = `Toolset "${name}" does not exist${suggestion(name, registry.toolsets)}`
  return [{ code: 'unknown_toolset', message, path }]
}

/** Text is printed on terminals, where escape sequences would act. */
function unprintable(text: string, path: Path): Problem[] {
  if (!UNPRINTABLE.test(text)) return []
  const message = `Text of "${String(path.at(-1))}" holds a control character`
  return [{ code: 'unprintable_text', message, path }]
}

function foreign(
  names: readonly string[] | undefined,
  known: readonly string[],
): { name: string; index: number }[] {
  return (names ?? []).flatMap((name, index) => (known.includes(name) ? [] : [{ name, index }]))
}
