/** The routes by which commits come to a server and leave it, as rows of the table. */
import { z } from 'zod'
import { OfferUpload, UploadedPart, UploadOffer } from '../schema/index.ts'
import { row, type RouteRow } from './route-row.ts'
import { PackQuery } from './routes/pack.ts'
import { PartQuery } from './routes/uploads.ts'

export const SOURCE_ROWS: readonly RouteRow[] = [
  row('POST /v1/uploads', 'runs:create', 'Offer commits that a run is to begin with', {
    body: OfferUpload,
    status: 201,
    schema: UploadOffer,
    refusals: ['too_busy', 'too_large', 'state_unusable'],
  }),
  row('PUT /v1/uploads/:upload', 'runs:create', 'Send a part of their pack, at an offset', {
    query: PartQuery,
    schema: UploadedPart,
    refusals: ['not_found', 'conflict', 'too_large'],
  }),
  row('POST /v1/uploads/:upload/finish', 'runs:create', 'Check the pack and keep its commit', {
    schema: z.object({ source: z.string(), commit: z.string() }),
    refusals: ['not_found', 'conflict', 'too_large', 'workspace_failed'],
  }),
  row('GET /v1/runs/:id/pack', 'runs:read', 'What it made, as a pack of commits for git', {
    query: PackQuery,
    type: 'application/octet-stream',
    refusals: ['not_found', 'conflict', 'policy_denied', 'workspace_failed'],
  }),
]
