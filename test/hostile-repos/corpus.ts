/** All fixtures, in the three parts that run beside each other. */
import type { HostileFixture } from './fixture.ts'
import { CARRIED } from './fixtures/carried.ts'
import { FOREIGN_OBJECTS } from './fixtures/foreign-objects.ts'
import { LINKS } from './fixtures/links.ts'
import { NAMES_AND_SIZES } from './fixtures/names-and-sizes.ts'
import { NESTED_NAMES } from './fixtures/nested-names.ts'
import { POINTERS } from './fixtures/pointers.ts'
import { PRIVATE_DIRECTORIES } from './fixtures/private-directories.ts'
import { SPECIAL_FILES } from './fixtures/special-files.ts'

export const PARTS = {
  programs: [...POINTERS, ...PRIVATE_DIRECTORIES],
  repositories: [...NESTED_NAMES, ...FOREIGN_OBJECTS],
  files: [...LINKS, ...SPECIAL_FILES, ...NAMES_AND_SIZES, ...CARRIED],
} satisfies Record<string, readonly HostileFixture[]>
