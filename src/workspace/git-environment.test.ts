import { expect, test } from 'vitest'
import { barePlace, gitEnvironment, NOWHERE } from './git-environment.ts'

test('gitEnvironment() names the repository and passes nothing of the caller', () => {
  const environment = gitEnvironment('/bin', barePlace('/store'))
  expect(environment).toMatchObject({
    PATH: '/bin',
    HOME: NOWHERE,
    GIT_DIR: '/store',
    GIT_COMMON_DIR: '/store',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_ALLOW_PROTOCOL: 'none',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
  })
  expect(environment['GIT_WORK_TREE']).toBeUndefined()
})

test('gitEnvironment() overrides what a repository could run programs with', () => {
  const environment = gitEnvironment('/bin', barePlace('/store'))
  const count = Number(environment['GIT_CONFIG_COUNT'])
  const settings = new Map(
    Array.from({ length: count }, (_, index) => [
      environment[`GIT_CONFIG_KEY_${index}`],
      environment[`GIT_CONFIG_VALUE_${index}`],
    ]),
  )
  expect(settings.get('core.hooksPath')).toBe('/dev/null')
  expect(settings.get('core.fsmonitor')).toBe('false')
  expect(settings.get('safe.bareRepository')).toBe('explicit')
  expect(settings.get('protocol.allow')).toBe('never')
  expect(settings.get('submodule.recurse')).toBe('false')
})
