/** The part of the route table that is about policies. */
import { z } from 'zod'
import {
  Document,
  LearnRequest,
  LearntPolicy,
  PolicyExplanation,
  SimulateRequest,
  Simulation,
} from '../schema/index.ts'
import { Explain } from './routes/catalog.ts'
import { row, type RouteRow } from './route-row.ts'

export const POLICY_ROUTES: readonly RouteRow[] = [
  row('POST /v1/policies/check', 'runs:read', 'Check a policy', {
    body: Document,
    schema: z.object({ rules: z.number().int() }),
    refusals: ['policy_invalid'],
  }),
  row('POST /v1/policies/explain', 'runs:read', 'What a policy lets a run do', {
    body: Explain,
    schema: PolicyExplanation,
    refusals: ['policy_invalid'],
  }),
  row('POST /v1/policies/learn', 'runs:read', 'The hosts that runs needed, as a policy', {
    body: LearnRequest,
    schema: LearntPolicy,
    refusals: ['not_found'],
  }),
  row('POST /v1/policies/simulate', 'runs:read', 'What a policy would have said to past runs', {
    body: SimulateRequest,
    schema: Simulation,
    refusals: ['policy_invalid', 'not_found', 'config_invalid'],
  }),
]
