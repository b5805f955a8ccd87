import { expect, test } from 'vitest'
import { pointsOf } from './mount-table.ts'

test('pointsOf() reads mount points with blanks, in the order they were mounted', () => {
  const table = [
    '45 27 0:39 / /state/work/a/tree rw,nosuid - overlay overlay rw,lowerdir=x',
    '46 45 0:40 / /with\\040blank\\134and\\011tab rw - tmpfs tmpfs rw',
    '',
  ]
  expect(pointsOf(table.join('\n'))).toEqual(['/state/work/a/tree', '/with blank\\and\ttab'])
})
