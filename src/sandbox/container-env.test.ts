import { expect, test } from 'vitest'
import { engineEnv, sandboxEnv } from './container-env.ts'

const confinementEnv = { HOME: '/home/agent', PATH: '/bin' }

test('sandboxEnv() keeps the tool variables and the PATH of the image', () => {
  const env = sandboxEnv(['PATH=/usr/local/go/bin:/bin', 'GOROOT=/usr/local/go'], confinementEnv)
  expect(env).toEqual({
    PATH: '/usr/local/go/bin:/bin',
    GOROOT: '/usr/local/go',
    HOME: '/home/agent',
  })
})

test.each([
  'LD_PRELOAD=/evil.so',
  'LD_LIBRARY_PATH=/evil',
  'BASH_ENV=/evil.sh',
  'ENV=/evil.sh',
  'GLIBC_TUNABLES=x',
  'http_proxy=http://10.0.0.1',
  'DOCKER_HOST=tcp://10.0.0.1',
  'GIT_SSH_COMMAND=/evil',
  '__proto__=x',
  'bad name=x',
  '=x',
])('sandboxEnv() does not inherit %s', (entry) => {
  expect(sandboxEnv([entry], confinementEnv)).toEqual(confinementEnv)
})

test('sandboxEnv() lets the confinement override everything but PATH', () => {
  const env = sandboxEnv(['HOME=/root', 'PATH=/opt/bin'], confinementEnv)
  expect(env).toEqual({ HOME: '/home/agent', PATH: '/opt/bin' })
})

test('sandboxEnv() gives a PATH where neither side has one', () => {
  expect(sandboxEnv([], {})['PATH']).toContain('/usr/bin')
})

test('engineEnv() takes away what the image has and the sandbox shall not', () => {
  const image = ['LD_PRELOAD=/evil.so', 'PATH=/bin', 'A=b=c']
  expect(engineEnv(image, sandboxEnv(image, {}))).toEqual(['A=b=c', 'LD_PRELOAD', 'PATH=/bin'])
})
