import type { Sandbox } from '../sandbox/index.ts'
import { OpenExecError } from '../schema/index.ts'

/** A name can come to mean another image between two starts; the run's snapshot says which it is. */
export function refuseOtherImage(
  { imageId }: { imageId: string },
  { receipt }: Pick<Sandbox, 'receipt'>,
): void {
  const { name, id } = receipt.image
  if (id === imageId) return
  throw new OpenExecError(
    'confinement_weaker',
    `Cannot use image "${name}": it is ${id}, and the run began with ${imageId}`,
    { hint: 'Start a new run, which takes the image as it is' },
  )
}
