/** Answers about a repository and a request in words; none of them makes a run or changes anything. */
import type {
  ContextPack,
  ContextRequest,
  Plan,
  RecallReport,
  RecallRequest,
  RouteRequest,
} from '../schema/index.ts'

export interface Advisor {
  /** What an agent would read first, by the policy a run here would have. */
  contextPack(
    request: ContextRequest,
    options: { signal: AbortSignal },
  ): Promise<{
    pack: ContextPack
    /** The pack as a model gets it. */
    text: string
  }>
  /** Measures the ranking on the repository's own commits. Throws `bad_request` when none fits. */
  recall(request: RecallRequest, options: { signal: AbortSignal }): Promise<RecallReport>
  /** What would be done with the request, and why. */
  route(request: RouteRequest, options: { signal: AbortSignal }): Promise<Plan>
}
