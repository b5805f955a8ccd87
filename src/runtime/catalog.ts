import type {
  BlueprintEntry,
  BlueprintReport,
  Document,
  DoctorReport,
  PolicyExplanation,
  SandboxMode,
} from '../schema/index.ts'

/** What can be asked without any run and without any state. */
export interface Catalog {
  blueprints(): BlueprintEntry[]
  /** Throws `blueprint_invalid` with every finding. */
  checkBlueprint(document: Document): BlueprintReport
  /** Throws `policy_invalid` with every finding, failed embedded tests among them. */
  checkPolicy(document: Document): { rules: number }
  /** The built-in policy when no document is given. */
  explainPolicy(document: Document | undefined, mode: SandboxMode | undefined): PolicyExplanation
  /** `live` makes one tiny call to the model, with the operator's key. */
  doctor(options: { live: boolean; signal: AbortSignal }): Promise<DoctorReport>
}
