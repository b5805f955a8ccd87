import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type CreateRun, type Document, OpenExecError } from '../../schema/index.ts'
import type { Catalog } from '../catalog.ts'

/**
 * What can be known of a request before its time comes: documents that are sound, a blueprint that
 * ships, a repository that is there. Throws what `POST /v1/runs` would.
 */
export function checkScheduled(
  catalog: Pick<Catalog, 'blueprints' | 'checkBlueprint' | 'checkPolicy'>,
  { repo, blueprint, command, policy }: CreateRun,
): void {
  if (blueprint === undefined && command === undefined)
    throw new OpenExecError(
      'bad_request',
      'Cannot run nothing: expected a blueprint or a command',
      {
        details: { field: 'run' },
      },
    )
  if (typeof blueprint === 'object') catalog.checkBlueprint(blueprint)
  else if (blueprint !== undefined) refuseUnknown(catalog, blueprint)
  const document = documentOf(policy)
  if (document !== undefined) catalog.checkPolicy(document)
  // Nothing keeps a commit that was sent until the time of its first run comes.
  if ('source' in repo)
    throw new OpenExecError('bad_request', 'Cannot schedule a commit that was sent', {
      hint: 'Name the repository by its address, or by a path on the server',
      details: { field: 'run.repo' },
    })
  if (!('path' in repo) || existsSync(join(repo.path, '.git'))) return
  throw new OpenExecError(
    'repository_invalid',
    `Cannot open "${repo.path}": it is no git repository`,
    {
      details: { field: 'run.repo.path' },
    },
  )
}

function refuseUnknown(catalog: Pick<Catalog, 'blueprints'>, name: string): void {
  const names = catalog.blueprints().map((entry) => entry.name)
  if (names.includes(name)) return
  throw new OpenExecError('blueprint_invalid', `Cannot find blueprint "${name}"`, {
    hint: `There are ${names.join(', ')}`,
    details: { field: 'run.blueprint' },
  })
}

function documentOf(policy: CreateRun['policy']): Document | undefined {
  if (policy === undefined) return undefined
  if (typeof policy === 'string') return { file: 'policy.yaml', text: policy }
  const { file, text } = policy
  if (typeof file === 'string' && typeof text === 'string') return { file, text }
  return { file: 'policy.yaml', text: JSON.stringify(policy) }
}
