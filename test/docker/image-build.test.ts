import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { contentHash } from '../../src/sandbox/build-context.ts'
import { ensureImage, imageIfThere, type ImageRecipe } from '../../src/sandbox/image-build.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'

const signal = new AbortController().signal

/** A recipe of its own name, whose image is removed after the test. */
async function recipeOf(dockerfile: string) {
  const { docker } = testEngine()
  const folder = mkdtempSync(join(tmpdir(), 'image-build-'))
  const name = `openexec-test/${randomUUID()}:latest`
  onTestFinished(async () => {
    rmSync(folder, { recursive: true, force: true })
    await docker
      .getImage(name)
      .remove({ force: true })
      .catch(() => undefined)
  })
  const recipe = async (text: string): Promise<ImageRecipe> => {
    writeFileSync(join(folder, 'Dockerfile'), text)
    const hashed = { folders: [folder], settings: {}, parent: '' }
    return {
      name,
      folders: [folder],
      fetch: undefined,
      buildArgs: {},
      proxyArgs: {},
      labels: { 'openexec.image': 'test' },
      hash: await contentHash(hashed),
    }
  }
  return { docker, name, recipe, first: await recipe(dockerfile) }
}

function options(lines: string[] = []) {
  return { rebuild: false, onProgress: (line: string) => void lines.push(line), signal }
}

dockerTest('ensureImage() builds once, labels it, and then only looks', async () => {
  const { docker, name, first } = await recipeOf('FROM scratch\nCOPY Dockerfile /\n')
  const lines: string[] = []
  const built = await ensureImage(docker, first, options(lines))
  expect(built.built).toBe(true)
  expect(lines.join('\n')).toContain('COPY Dockerfile')
  expect((await imageIfThere(docker, name, signal))?.config.labels).toMatchObject({
    'openexec.image': 'test',
    'openexec.content-hash': first.hash,
  })
  expect(await ensureImage(docker, first, options())).toEqual({ id: built.id, built: false })
})

dockerTest('ensureImage() replaces the image when its content changed', async () => {
  const { docker, name, recipe, first } = await recipeOf('FROM scratch\nCOPY Dockerfile /a\n')
  const before = await ensureImage(docker, first, options())
  const after = await ensureImage(
    docker,
    await recipe('FROM scratch\nCOPY Dockerfile /b\n'),
    options(),
  )
  expect(after.built).toBe(true)
  expect((await imageIfThere(docker, name, signal))?.id).toBe(after.id)
  expect(await imageIfThere(docker, before.id, signal)).toBeUndefined()
})

dockerTest(
  'ensureImage() keeps the image of before when a build fails, and shows why',
  async () => {
    const { docker, name, recipe, first } = await recipeOf('FROM scratch\nCOPY Dockerfile /\n')
    const before = await ensureImage(docker, first, options())
    const broken = await recipe('FROM scratch\nCOPY missing /\n')
    await expect(ensureImage(docker, broken, options())).rejects.toMatchObject({
      code: 'engine_failed',
      message: expect.stringMatching(/^Cannot build image "openexec-test.*missing/),
      details: { log: expect.stringContaining('COPY missing') },
    })
    expect((await imageIfThere(docker, name, signal))?.id).toBe(before.id)
  },
)

dockerTest('ensureImage() leaves no nameless image of a stage behind', async () => {
  const nameless = async () =>
    (await testEngine().docker.listImages({ filters: { dangling: ['true'] } })).map(({ Id }) => Id)
  const before = new Set(await nameless())
  const stages =
    'FROM openexec/base:latest AS build\nRUN echo $RANDOM > /made\nFROM scratch\nCOPY --from=build /made /\n'
  const { docker, first } = await recipeOf(`${stages}LABEL test=${randomUUID()}\n`)
  await ensureImage(docker, { ...first, labels: {} }, { ...options(), rebuild: true })
  expect((await nameless()).filter((id) => !before.has(id))).toEqual([])
})

dockerTest('ensureImage() stops when it is cancelled', async () => {
  const { docker, name, first } = await recipeOf('FROM openexec/base:latest\nRUN sleep 60\n')
  const cancel = new AbortController()
  const onProgress = (line: string) => {
    if (line.includes('RUN sleep')) cancel.abort(new Error('Cancelled by the test'))
  }
  const building = ensureImage(docker, first, { rebuild: false, onProgress, signal: cancel.signal })
  await expect(building).rejects.toThrow('Cancelled by the test')
  expect(await imageIfThere(docker, name, signal)).toBeUndefined()
})
