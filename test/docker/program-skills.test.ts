import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { dockerTest } from '../helpers/docker.ts'
import { sampleRepository } from '../helpers/program.ts'

const BLUEPRINT = `version: 1
name: skilled
description: Loads a skill
stages:
  - { id: look, type: agent, goal: Load the skill, toolset: coding_backend }
`
const PATH = 'skills/notes/SKILL.md'
const SKILL = '---\nname: notes\ndescription: How notes are written\n---\nWrite short notes\n'
const call = (name: string, args: object) => ({ name, args })

dockerTest('an agent loads a skill as the commit has it, and the run replays', async () => {
  using repository = sampleRepository()
  mkdirSync(join(repository.path, 'skills/notes'), { recursive: true })
  mkdirSync(join(repository.path, 'skills/linked'), { recursive: true })
  repository.write(PATH, SKILL)
  symlinkSync('/etc/passwd', join(repository.path, 'skills/linked/SKILL.md'))
  repository.commit('Add a skill')
  const turns = [
    call('edit_file', { path: PATH, old_text: 'short', new_text: 'pwned' }),
    call('load_skill', { name: 'notes' }),
    call('load_skill', { name: 'linked' }),
    call('finish', { status: 'done', summary: 'Loaded' }),
  ].map((each) => ({ reply: { tool_calls: [each] } }))
  const script = repository.write('model.yaml', JSON.stringify({ provider: 'scripted', turns }))
  const blueprint = repository.write('skilled.yaml', BLUEPRINT)
  const named = ['--task', 'Write notes', '--model-script', script]
  const { run, status } = await repository.run(blueprint, ...named)
  expect(status).toBe('succeeded')

  const { stdout } = await repository.openexec('artifacts', 'get', run, 'transcript-look')
  expect(stdout).toContain('- notes: How notes are written')
  expect(stdout).toContain('Write short notes')
  expect(stdout).toContain('There is no skill \\"linked\\"')
  expect(stdout).not.toContain('root:')
  const directory = join(repository.path, '.openexec/runs', run)
  expect(readFileSync(join(directory, 'timeline.jsonl'), 'utf8')).toContain(
    'Skills of the repository: notes',
  )
  expect((await repository.openexec('replay', run)).code).toBe(0)
})
