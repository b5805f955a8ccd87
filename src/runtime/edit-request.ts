/**
 * What a person puts in the place of what a run asks for. The edited request is a request of its own:
 * policy is asked about it, it has its own hash, and only an effect that is exactly it may use it.
 */
import { requestHashOf } from '../actions/index.ts'
import { type FrozenRun, loadFrozenRun } from '../blueprint/index.ts'
import { evaluate } from '../policy/index.ts'
import {
  type ApprovalEdit,
  canonicalJson,
  type JsonObject,
  OpenExecError,
  PolicyRequest,
  Resource,
  type Run,
  type RunId,
} from '../schema/index.ts'
import type { Approval } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'

/** The one action whose command is the caller's to choose, and so a person's to change. */
const EDITABLE = 'run_command'

export interface EditedRequest {
  asked: JsonObject
  requestHash: ReturnType<typeof requestHashOf>
}

/** Policy and modes of the run, as they were frozen. */
export async function frozenFor(deps: RuntimeDeps, run: Run): Promise<FrozenRun> {
  return await loadFrozenRun(deps.artifacts, run)
}

/** Throws `bad_request` for what cannot be edited so, `policy_denied` for what policy blocks. */
export function editRequest(
  id: RunId,
  { request }: Approval,
  { edit, frozen }: { edit: ApprovalEdit; frozen: FrozenRun },
): EditedRequest {
  const { stage, subject } = request
  const before = Resource.safeParse(request['resource'])
  if (subject !== EDITABLE || before.data?.kind !== 'argv')
    throw new OpenExecError(
      'bad_request',
      `Cannot edit what run "${id}" asks for: only the command of ${EDITABLE} can be changed`,
      { hint: `Allow it as it is, or refuse it with \`openexec reject ${id} --reason TEXT\`` },
    )
  if (canonicalJson(before.data.argv) === canonicalJson(edit.argv))
    throw new OpenExecError(
      'bad_request',
      `Cannot edit what run "${id}" asks for: nothing changed`,
      {
        hint: `Allow it as it is with \`openexec approve ${id}\``,
      },
    )
  const resource = { kind: 'argv', argv: edit.argv } as const
  const planned = frozen.plan.stages.find((each) => each.id === stage)
  const mode = planned?.sandbox ?? frozen.policy.sandbox
  const edited = PolicyRequest.parse({ ...request, resource, mode })
  const { decision, reason, matched } = evaluate(frozen.policy, edited)
  if (decision === 'block')
    throw new OpenExecError(
      'policy_denied',
      `Cannot edit what run "${id}" asks for: policy blocks the new command (${reason})`,
      { details: { matched: [...matched] } },
    )
  const asked = { ...request, resource }
  const scope = { run: id, policyHash: frozen.policyHash }
  return { asked, requestHash: requestHashOf(asked, scope) }
}
