export { type Cache, createCache, DEFAULT_CACHE_LIMITS } from './cache.ts'
export { cacheKey } from './key.ts'
