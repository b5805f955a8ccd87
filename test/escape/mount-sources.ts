/**
 * Directories of the host that somebody would like to have mounted: by a link in a repository, by a
 * path that leads elsewhere, or by asking. The engine mounts every one of them, as the control shows.
 */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface MountSource {
  /** Ends the sentence "A sandbox does not get …". */
  what: string
  /** The source, made where it must be made. */
  source(place: MountPlace): string
}

interface MountPlace {
  /** The slot of the run. */
  slot: string
  /** A directory that is not of the run. */
  elsewhere: string
  /** The engine's own directory. */
  engineRoot: string
}

const link = (path: string, to: string): string => {
  symlinkSync(to, path)
  return path
}

export const MOUNT_SOURCES: readonly MountSource[] = [
  { what: 'a link that leads to /etc', source: ({ slot }) => link(join(slot, 'one'), '/etc') },
  {
    what: 'a directory below a link',
    source: ({ slot }) => join(link(join(slot, 'two'), '/usr'), 'bin'),
  },
  {
    what: 'a link that leads to another run',
    source: ({ slot, elsewhere }) => link(join(slot, 'three'), elsewhere),
  },
  {
    what: 'a path that climbs out of its directory',
    source: ({ slot }) => {
      mkdirSync(join(slot, 'four'))
      return `${slot}/four/../../..`
    },
  },
  {
    what: 'the directory of another run',
    source: ({ elsewhere }) => {
      writeFileSync(join(elsewhere, 'file'), '')
      return elsewhere
    },
  },
  { what: 'the root of the host', source: () => '/' },
  { what: 'the settings of the host', source: () => '/etc' },
  { what: 'the processes of the host', source: () => '/proc' },
  { what: 'the devices of the host', source: () => '/dev' },
  { what: 'the kernel’s settings of the host', source: () => '/sys' },
  { what: 'the socket of the engine', source: () => '/var/run/docker.sock' },
  { what: 'the directory of the engine', source: ({ engineRoot }) => engineRoot },
]
