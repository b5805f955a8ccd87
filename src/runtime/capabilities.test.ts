import { expect, test } from 'vitest'
import type { Receipt } from '../schema/index.ts'
import { capabilityMap, diskSpace, fromReceipt, privateAuthorities } from './capabilities.ts'

const receipt = (
  items: [guarantee: string, status: 'enforced' | 'soft' | 'missing'][],
): Receipt => ({
  version: 1,
  confinement: 'a'.repeat(64),
  image: { name: 'base', id: 'i' },
  engine: { version: '1', api: '1.41', runtime: 'runc' },
  items: items.map(([guarantee, status]) => ({
    guarantee,
    status,
    requested: '1',
    enforced: '2',
    source: 'inside',
  })),
  complete: true,
  degraded: false,
})

test('fromReceipt() believes only what was enforced', () => {
  const found = fromReceipt(
    receipt([
      ['memory', 'enforced'],
      ['swap', 'soft'],
      ['pids', 'missing'],
      ['network', 'enforced'],
      ['interfaces', 'missing'],
    ]),
  )
  expect(found).toMatchObject({
    memory_limit: { has: 'yes', evidence: 'in a sandbox, memory: asked for 1, found 2' },
    swap_limit: { has: 'no' },
    process_limit: { has: 'no' },
    no_network: { has: 'no' },
    cpu_limit: { has: 'unknown' },
  })
})

test('fromReceipt() knows nothing where no sandbox was opened', () => {
  expect(new Set(Object.values(fromReceipt(undefined)).map(({ has }) => has))).toEqual(
    new Set(['unknown']),
  )
})

test('capabilityMap() says what each means, and how to get it where it is missed', () => {
  const yes = { has: 'yes', evidence: 'x' } as const
  const no = { has: 'no', evidence: 'y' } as const
  const map = capabilityMap({ gvisor: no, loop_mount: yes, unheard_of: yes })
  expect(Object.keys(map)).toEqual(['gvisor', 'loop_mount'])
  expect(map['gvisor']).toMatchObject({ ...no, remedy: expect.stringContaining('runsc') })
  expect(map['loop_mount']).not.toHaveProperty('remedy')
})

test('diskSpace() looks at the disk of a folder', async () => {
  expect((await diskSpace('.')).evidence).toMatch(/^\d+\.\d GiB free in \.$/)
})

test('privateAuthorities() names them', () => {
  expect(privateAuthorities([]).has).toBe('no')
  expect(privateAuthorities(['O=A', 'O=B'])).toEqual({ has: 'yes', evidence: 'O=A; O=B' })
})
