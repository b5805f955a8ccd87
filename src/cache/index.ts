export { type Cache, type CacheLimits, createCache, DEFAULT_CACHE_LIMITS } from './cache.ts'
export { type CacheInputs, cacheKey } from './key.ts'
