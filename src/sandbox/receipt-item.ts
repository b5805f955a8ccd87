import type { ReceiptItem } from '../schema/index.ts'
import type { ContainerSpec, ContainerSpecOptions } from './container-spec.ts'
import type { EngineFacts } from './engine-facts.ts'
import type { InsideFacts } from './inside-facts.ts'
import type { InspectFacts } from './inspect-facts.ts'

export interface ReceiptEvidence {
  request: ContainerSpecOptions
  /** What the container was created from. */
  spec: ContainerSpec
  inspect: InspectFacts
  inside: InsideFacts
  engine: EngineFacts
}

/** One comparison; `holds` false means the guarantee is missing. */
export function receiptItem(
  guarantee: string,
  shown: Pick<ReceiptItem, 'requested' | 'enforced' | 'source'> & { holds: boolean },
): ReceiptItem {
  const { holds, ...rest } = shown
  return { guarantee, ...rest, status: holds ? 'enforced' : 'missing' }
}
