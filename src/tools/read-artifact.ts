import { z } from 'zod'
import { Sha256 } from '../schema/index.ts'
import { DEFAULT_TOOL_LIMITS, defineTool } from './tool.ts'

const LENGTH_MAX = 32 * 1024

export const readArtifactTool = defineTool({
  name: 'read_artifact',
  description: `Shows a part of an output that was too long to show whole, at most ${LENGTH_MAX} bytes at once.`,
  input: z.strictObject({
    sha256: Sha256,
    offset: z.number().int().nonnegative().max(1_000_000_000).optional(),
    length: z.number().int().positive().max(LENGTH_MAX).optional(),
  }),
  capability: 'repo_read',
  effect: 'read',
  limits: { ...DEFAULT_TOOL_LIMITS, shownBytesMax: LENGTH_MAX + 1024 },
  example: {
    sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    offset: 4096,
  },
  accesses: () => [{ capability: 'repo_read', resource: { kind: 'none' } }],
  async execute({ readArtifact }, { sha256, offset = 0, length = LENGTH_MAX }) {
    const found = await readArtifact(sha256, { offset, length })
    if (found === undefined)
      return { ok: false, text: `This run has kept no output with sha256 "${sha256}"` }
    const end = offset + found.bytes.length
    const text = Buffer.from(found.bytes).toString('utf8')
    return { ok: true, text: `Bytes ${offset}-${end} of ${found.size}\n${text}` }
  },
})
