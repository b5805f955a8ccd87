/**
 * Every rule of the checker: a stable code and what it proves. `docs/blueprints.md` lists them all.
 * @internal
 */
export const RULES = {
  reserved_stage_id: 'No stage is called done, fail or paused',
  duplicate_stage_id: 'Stage ids are unique',
  unknown_action: 'Every action exists',
  unknown_toolset: 'Every toolset exists',
  bad_with: 'What `with` holds is what the action takes',
  blank_goal: 'Every goal says something',
  unprintable_text: 'Texts hold no control characters',
  unknown_route: 'Every route leads to a stage, done or fail',
  paused_as_route: 'No route leads to paused: it is a state of a run',
  failure_edge_never_taken: 'Every on_failure can be taken',
  skip_edge_never_taken: 'Every on_skipped can be taken',
  unreachable_stage: 'Every stage can be reached from the first',
  done_unreachable: 'Some path leads to done',
  unbounded_cycle: 'Every cycle holds an agent stage, whose entries are bounded',
  success_cycle: 'A run in which every stage succeeds comes to an end',
  input_not_produced: 'Every input is produced on every path that leads to it',
  input_not_consumed: 'Every input is one that the action can consume',
  duplicate_input: 'No input is named twice',
  duplicate_output: 'No output is named twice',
  output_not_produced_by_action: 'Every output is one that the action produces',
  output_not_produced_by_agent: 'Every output of an agent stage is one that agents produce',
  agent_never_runs: 'Every agent stage may be entered at least once',
  retry_limit_unreachable: 'No retry_limit is beyond max_stage_executions',
  stage_execution_limit_too_low: 'max_stage_executions allows the shortest path to done',
  stage_limit_above_run: 'No limit of a stage is above the same limit of the run',
  approval_contradiction: 'No stage requires approvals that approval_mode never asks for',
  bad_network_host: 'Every entry of network is HOST, *.HOST or HOST:PORT',
  duplicate_network_host: 'No entry of network is named twice',
} as const

export type RuleCode = keyof typeof RULES

/** One broken rule, at a path into the blueprint. */
export interface Problem {
  code: RuleCode
  message: string
  path: readonly PropertyKey[]
}
