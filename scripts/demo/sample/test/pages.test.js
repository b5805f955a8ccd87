import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pageCount, pageOf } from '../src/pages.js'

test('a partly filled page counts', () => assert.equal(pageCount(11, 5), 3))
test('full pages are not followed by an empty one', () => assert.equal(pageCount(10, 5), 2))
test('an empty list has one page', () => assert.equal(pageCount(0, 5), 1))
test('the second page', () => assert.deepEqual(pageOf([1, 2, 3, 4, 5], 2, 2), [3, 4]))
