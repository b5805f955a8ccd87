import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { testRegistry } from '../../test/helpers/blueprints.ts'
import { type Catalog, findBlueprint, listBlueprints } from './catalog.ts'

const TEXT =
  'version: 1\nname: x\ndescription: d\nstages:\n  - { id: lint, type: deterministic, action: run_linters }\n'

let directory = ''
let catalog: Catalog = { shippedDir: '', cwd: '', registry: testRegistry }

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'openexec-catalog-'))
  const shippedDir = join(directory, 'shipped')
  const cwd = join(directory, 'cwd')
  mkdirSync(shippedDir)
  mkdirSync(cwd)
  writeFileSync(join(shippedDir, 'check.yaml'), TEXT)
  writeFileSync(join(shippedDir, 'backend_bugfix.yaml'), TEXT)
  writeFileSync(join(shippedDir, 'README.md'), 'x')
  catalog = { shippedDir, cwd, registry: testRegistry }
})

afterEach(() => {
  rmSync(directory, { recursive: true })
})

describe('findBlueprint()', () => {
  test('findBlueprint() finds a shipped blueprint by its name', () => {
    expect(findBlueprint('check', catalog).blueprint.stages[0]?.id).toBe('lint')
  })

  test.each(['./my.yaml', 'my.yaml', 'sub/my.yml', 'sub/../my.yaml', 'sub/my'])(
    'findBlueprint() takes %s for a path below the working directory',
    (path) => {
      mkdirSync(join(catalog.cwd, 'sub'))
      writeFileSync(join(catalog.cwd, path), TEXT)
      expect(findBlueprint(path, catalog).blueprint.name).toBe('x')
      expect(findBlueprint(join(catalog.cwd, path), catalog).blueprint.name).toBe('x')
    },
  )

  test.each([
    ['chek', 'did you mean "check"?'],
    ['backend-bugfix', 'did you mean "backend_bugfix"?'],
    ['deploy', 'known: backend_bugfix, check'],
    ['', 'known: backend_bugfix, check'],
    ['..', 'known:'],
    ['README', 'known:'],
    ['constructor', 'known:'],
    ['check\u001b[2J', '"check\\u001b[2J"'],
  ])('findBlueprint() cannot find %j and says what there is', (name, hint) => {
    expect(() => findBlueprint(name, catalog)).toThrow(
      expect.objectContaining({ code: 'not_found', message: expect.stringContaining(hint) }),
    )
  })

  test('findBlueprint() never finds by name what lies in the working directory', () => {
    writeFileSync(join(catalog.cwd, 'mine.yaml'), TEXT)
    mkdirSync(join(catalog.cwd, 'blueprints'))
    writeFileSync(join(catalog.cwd, 'blueprints', 'mine.yaml'), TEXT)
    expect(() => findBlueprint('mine', catalog)).toThrow(/Cannot find blueprint "mine"/)
  })

  test('findBlueprint() names the missing file', () => {
    expect(() => findBlueprint('./missing.yaml', catalog)).toThrow(
      expect.objectContaining({
        code: 'not_found',
        message: 'Cannot read blueprint "./missing.yaml": there is no such file',
        hint: expect.any(String),
      }),
    )
  })

  test('findBlueprint() refuses what is no regular file, without waiting for it', () => {
    mkdirSync(join(catalog.cwd, 'folder.yaml'))
    execFileSync('/usr/bin/env', ['mkfifo', join(catalog.cwd, 'pipe.yaml')])
    symlinkSync('/dev/zero', join(catalog.cwd, 'zero.yaml'))
    for (const name of ['folder.yaml', 'pipe.yaml', 'zero.yaml'])
      expect(() => findBlueprint(name, catalog)).toThrow(/it is no regular file/)
  })

  test('findBlueprint() refuses bytes that are no text, and files over the limit', () => {
    writeFileSync(join(catalog.cwd, 'latin1.yaml'), Buffer.from(`${TEXT}# caf\xe9`, 'latin1'))
    expect(() => findBlueprint('latin1.yaml', catalog)).toThrow(/it is no UTF-8 text/)
    writeFileSync(join(catalog.cwd, 'huge.yaml'), `${TEXT}#${'x'.repeat(70_000)}`)
    expect(() => findBlueprint('huge.yaml', catalog)).toThrow(/larger than 65536 bytes/)
  })

  test('findBlueprint() tells findings with the path as it was given', () => {
    writeFileSync(join(catalog.cwd, 'bad.yaml'), TEXT.replace('run_linters', 'run_lint'))
    expect(() => findBlueprint('./bad.yaml', catalog)).toThrow(
      /^Cannot read "\.\/bad\.yaml": 1 problem\n\.\/bad\.yaml:5:/,
    )
  })
})

describe('listBlueprints()', () => {
  test('listBlueprints() gives the shipped ones, sorted', () => {
    expect(listBlueprints(catalog)).toHaveLength(2)
  })

  test('listBlueprints() does not hide that one is broken', () => {
    writeFileSync(join(catalog.shippedDir, 'broken.yaml'), 'version: 1')
    expect(() => listBlueprints(catalog)).toThrow(
      expect.objectContaining({ code: 'blueprint_invalid' }),
    )
  })
})
