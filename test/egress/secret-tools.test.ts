/** Programs that people run, with credentials they never see: against hosts that want them. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { dockerTest } from '../helpers/docker.ts'
import { type Forge, FORGE_VALUE, openForge } from '../helpers/forge.ts'
import { runWorlds } from '../helpers/run-world.ts'
import { testInternet, type TestInternet } from '../helpers/test-internet.ts'

const POLICY = `version: 1
network: { allow: [git.test, npm.test, pypi.test, api.test] }
secrets:
  - { name: GIT, from: env, source: FORGE, hosts: [git.test], as: { basic: { user: robot } } }
  - { name: NPM, from: env, source: FORGE, hosts: [npm.test], as: { header: Authorization, format: "Bearer {}" } }
  - { name: PYPI, from: env, source: FORGE, hosts: [pypi.test], as: { basic: { user: __token__ } } }
  - { name: API, from: env, source: FORGE, hosts: [api.test], as: { header: Authorization, format: "Token {}" } }
`
const NODE = `
curl -fsS https://api.test/v1/me
git clone --quiet https://git.test/repo.git /tmp/one && cat /tmp/one/hello
git clone --quiet https://any:$OPENEXEC_SECRET_GIT@git.test/repo.git /tmp/two && cat /tmp/two/hello
mkdir /tmp/n && cd /tmp/n && echo '{}' > package.json
printf '%s\\n' registry=https://npm.test/ '//npm.test/:_authToken=\${OPENEXEC_SECRET_NPM}' > .npmrc
npm install --silent told && node -p 'require("told")'
node -e 'fetch("https://api.test/v1/me").then((a) => a.json()).then(({ me }) => console.log("fetch", me))'
node -e 'require("https").get("https://api.test/v1/me", { headers: { authorization: process.env.OPENEXEC_SECRET_API } }, (a) => console.log("https", a.resume().statusCode))'
`
const PYTHON = `
python - <<'END'
import json, os, urllib.request
print('urllib', json.load(urllib.request.urlopen('https://api.test/v1/me'))['me'])
from pip._vendor import requests
print('requests', requests.get('https://api.test/v1/me', headers={'Authorization': 'Token ' + os.environ['OPENEXEC_SECRET_API']}).json()['me'])
END
pip download --quiet --no-deps --no-build-isolation --no-binary :all: --index-url https://pypi.test/simple/ --dest /tmp/d told && ls /tmp/d
`

describe('programs with credentials that never enter', () => {
  const open = runWorlds()
  const config = readConfig({ ...process.env, FORGE: FORGE_VALUE })
  let internet: TestInternet
  let forge: Forge
  beforeAll(async () => {
    internet = await testInternet()
    forge = await openForge(internet)
  })
  afterAll(async () => {
    await forge[Symbol.asyncDispose]()
    await internet[Symbol.asyncDispose]()
  })

  dockerTest('curl, git, npm and node log in', async () => {
    const world = await open(undefined, undefined, { internet: internet.internet, config })
    world.write('p.yaml', POLICY)
    const ended = await world.shell(NODE, { policyFile: join(world.repo, 'p.yaml'), image: 'node' })
    expect(ended.stderr).not.toContain('rror')
    expect(ended.stdout.split('\n')).toEqual([
      '{"me":"robot"}',
      'cloned',
      'cloned',
      'installed',
      'fetch robot',
      'https 200',
      '',
    ])
    expect([...forge.answered].filter((each) => each.endsWith('401'))).toEqual([])
  })

  dockerTest('urllib, requests and pip log in', async () => {
    const world = await open(undefined, undefined, { internet: internet.internet, config })
    world.write('p.yaml', POLICY)
    const ended = await world.shell(PYTHON, {
      policyFile: join(world.repo, 'p.yaml'),
      image: 'python',
    })
    expect(ended.stdout).toBe('urllib robot\nrequests robot\ntold-1.0.tar.gz\n')
  })
})
