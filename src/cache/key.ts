import { hashJson, type JsonValue, type Sha256 } from '../schema/index.ts'

/** Everything the value depends on; two calls share an entry only when all of it is equal. */
export interface CacheInputs {
  /** What kind of value it is: `action`, `context_index`, … */
  kind: string
  /** The maker, and the version that is raised when its meaning changes. */
  maker: { id: string; version: number }
  /** Normalised arguments. */
  inputs: JsonValue
  /** Tree of the files it read. */
  tree: string | undefined
  imageDigest: string | undefined
  policyHash: string | undefined
  /** Only variables that the maker declares. */
  env: Readonly<Record<string, string>>
}

/** The exact key: sha256 of the canonical JSON. Nothing is ever found by likeness. */
export function cacheKey(inputs: CacheInputs): Sha256 {
  return hashJson({ v: 1, ...inputs })
}
