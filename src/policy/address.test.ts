import { expect, test } from 'vitest'
import { blockProblem, classifyAddress, inBlock } from './address.ts'

test.each(['93.184.216.34', '1.1.1.1', '2606:4700:4700::1111', '::ffff:8.8.8.8'])(
  'classifyAddress() takes %s as global',
  (address) => {
    expect(classifyAddress(address, [])).toEqual({ kind: 'global' })
  },
)

test.each([
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '198.18.0.1',
  '203.0.113.80',
  '2001:db8::1',
  'fd00::2',
  '::ffff:10.0.0.1',
])('classifyAddress() lets a policy name %s', (address) => {
  expect(classifyAddress(address, []).kind).toBe('nameable')
})

test.each([
  '0.0.0.0',
  '0.1.2.3',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '169.254.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.1',
  '192.0.0.192',
  '192.88.99.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::7f00:1',
  '::ffff:127.0.0.1',
  '::ffff:169.254.169.254',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  'fd00:ec2::254',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b:1::1',
  '2002:7f00:1::',
  '2001:0:4136:e378:8000:63bf:3fff:fdd2',
  '100::1',
  '5f00::1',
  '4000::1',
  'fe80::1%eth0',
  '127.1',
  '0x7f.0.0.1',
  '2130706433',
  'example.com',
  '',
])('classifyAddress() forbids %j', (address) => {
  expect(classifyAddress(address, []).kind).toBe('forbidden')
})

test('classifyAddress() forbids the addresses of the machine itself in any spelling', () => {
  const own = ['93.184.216.34', '2606:4700:4700::1111']
  for (const address of ['93.184.216.34', '::ffff:93.184.216.34', '2606:4700:4700:0::1111'])
    expect(classifyAddress(address, own)).toEqual({ kind: 'forbidden', range: 'own' })
})

test('inBlock() compares addresses of one family', () => {
  expect(inBlock('10.1.2.3', '10.1.0.0/16')).toBe(true)
  expect(inBlock('10.2.2.3', '10.1.0.0/16')).toBe(false)
  expect(inBlock('10.1.2.3', '10.1.2.3')).toBe(true)
  expect(inBlock('fd00::1', '10.0.0.0/8')).toBe(false)
  expect(inBlock('::ffff:10.1.2.3', '10.1.0.0/16')).toBe(true)
})

test.each(['10.0.0.0/7', '0.0.0.0/0', '::/0', '10.0.0.0/33', 'x', '10.0.0/8', '10.0.0.0/-1'])(
  'blockProblem() finds one in %j',
  (block) => {
    expect(blockProblem(block)).toBeDefined()
  },
)
